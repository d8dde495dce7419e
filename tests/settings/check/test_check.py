"""What would fail at start is found before, as a finding with its key and its cure."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mailserver.settings.bind import Bind
from mailserver.settings.check.check import check_settings
from mailserver.settings.check.disk import (
    NETWORK_FILE_SYSTEMS,
    check_disk,
    check_lasting,
    file_system_of,
)
from mailserver.settings.check.finding import Finding, Level
from mailserver.settings.check.ports import (
    Ports,
    Running,
    bind_problem,
    is_absent_ipv6,
    overlaps,
    port_owner,
)
from mailserver.settings.check.tls import check_chain, check_trust
from mailserver.settings.model import Settings
from mailserver.setup.certificate import issue, make_authority
from mailserver.supervisor.planning import errors_at_start

HOST = "mail.a.test"


def settings_for(tmp_path: Path, **sections: dict[str, Any]) -> Settings:
    (tmp_path / "store").mkdir(mode=0o700, exist_ok=True)
    tree: dict[str, dict[str, Any]] = {
        "service": {"domain": "a.test", "hostname": HOST},
        "store": {"path": tmp_path / "store", "min_free_mib": 0},
        "tls": {
            "certificate": tmp_path / "tls/certificate.pem",
            "key": tmp_path / "tls/key.pem",
        },
        "smtp": {"mx": ["127.0.0.1:0"], "submission": [], "submissions": []},
        "pop3": {"pop3": [], "pop3s": []},
        "dkim": {"enabled": False},
    }
    for section, values in sections.items():
        tree.setdefault(section, {}).update(values)
    return Settings.model_validate(tree)


def certify(tmp_path: Path, *names: str, now: datetime | None = None) -> None:
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / "tls" / name).unlink(missing_ok=True)
    issue(names or (HOST,), now=now).write(
        tmp_path / "tls/certificate.pem", tmp_path / "tls/key.pem"
    )


def found(settings: Settings, **options: Any) -> list[Finding]:
    """As an ordinary user would find it, whoever runs the tests."""
    return check_settings(settings, **{"started_by": 1000, **options})


@pytest.fixture(autouse=True)
def _certified(tmp_path: Path) -> None:
    certify(tmp_path)


def test_a_good_service_has_no_finding(tmp_path: Path) -> None:
    assert found(settings_for(tmp_path)) == []


# --- ports ------------------------------------------------------------------------


def test_a_port_in_use_is_an_error_that_names_it_and_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = settings_for(tmp_path, smtp={"mx": [f"127.0.0.1:{port}"]})
        (finding,) = found(settings, ports=Ports.MUST_BE_FREE)
    assert (finding.level, finding.key) == (Level.ERROR, "smtp.mx")

    told = f"port {port} is already in use on 127.0.0.1 by process {os.getpid()} "
    assert finding.sentence.startswith(told)


def test_a_port_in_use_is_no_matter_in_a_reload(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = settings_for(tmp_path, smtp={"mx": [f"127.0.0.1:{port}"]})
        assert found(settings, ports=Ports.NOT_LOOKED_AT) == []


def test_the_holder_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = port_owner(Bind(*server.getsockname()))
    assert owner is not None
    assert owner[0] == os.getpid()


def test_only_the_ports_of_the_doors_that_start_are_looked_at(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = settings_for(tmp_path, smtp={"mx": [f"127.0.0.1:{other.getsockname()[1]}"]})
        assert found(settings, doors=frozenset({"pop3"})) == []


def test_an_address_of_another_machine_is_an_error(tmp_path: Path) -> None:
    (finding,) = found(settings_for(tmp_path, smtp={"mx": ["192.0.2.1:0"]}))
    assert finding == Finding(Level.ERROR, "smtp.mx", "192.0.2.1 is not an address of this machine")


def test_a_privileged_port_says_how_to_get_the_privilege() -> None:
    sentence = bind_problem(Bind("127.0.0.1", 25), PermissionError(13, "Permission denied"))
    assert "CAP_NET_BIND_SERVICE" in sentence


def test_ipv6_that_the_machine_lacks_is_left_out_for_any_and_loopback_only() -> None:
    absent = OSError(99, "Cannot assign requested address")
    assert is_absent_ipv6(Bind("::1", 25), absent)
    assert not is_absent_ipv6(Bind("2001:db8::1", 25), absent)


def test_one_address_for_two_listeners_is_an_error(tmp_path: Path) -> None:
    twice = {"mx": ["127.0.0.1:2525"], "submission": ["127.0.0.1:2525"]}
    (finding,) = found(settings_for(tmp_path, smtp=twice), ports=Ports.NOT_LOOKED_AT)
    assert finding.key == "smtp.mx and smtp.submission"


def test_no_listener_at_all_is_an_error(tmp_path: Path) -> None:
    (finding,) = found(settings_for(tmp_path, smtp={"mx": []}))
    assert finding.level is Level.ERROR


def test_first_passwords_that_end_where_nobody_can_choose_another_are_a_warning(
    tmp_path: Path,
) -> None:
    assert not settings_for(tmp_path).passwords.change_first
    (finding,) = found(settings_for(tmp_path, passwords={"change_first": True}))
    assert (finding.level, finding.key) == (Level.WARNING, "passwords.change_first")
    assert "30 days after their first use" in finding.sentence
    assert found(settings_for(tmp_path, passwords={"change_first": True, "grace_days": 0})) == []


# --- certificate --------------------------------------------------------------------


def sentences(settings: Settings) -> str:
    return "\n".join(map(str, found(settings)))


def test_a_missing_certificate_and_key_are_errors(tmp_path: Path) -> None:
    (tmp_path / "tls/certificate.pem").unlink()
    (tmp_path / "tls/key.pem").unlink()
    told = sentences(settings_for(tmp_path))
    assert "error: tls.certificate: " in told
    assert "error: tls.key: " in told
    assert told.count("does not exist") == 2


def test_a_key_of_another_certificate_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tls/certificate.pem").write_bytes(issue([HOST]).certificate_pem)
    assert "is not the key of the first certificate" in sentences(settings_for(tmp_path))


def test_a_chain_in_the_wrong_order_is_an_error(tmp_path: Path) -> None:
    certificate = tmp_path / "tls/certificate.pem"
    certificate.write_bytes(make_authority("CA").pem + certificate.read_bytes())
    assert "the server's own stands first" in sentences(settings_for(tmp_path))


def test_an_expired_certificate_is_an_error_and_one_that_expires_soon_a_warning(
    tmp_path: Path,
) -> None:
    certify(tmp_path, now=datetime.now(UTC) - timedelta(days=900))
    assert "error: tls.certificate" in sentences(settings_for(tmp_path))
    certify(tmp_path, now=datetime.now(UTC) - timedelta(days=820))
    assert "warning: tls.certificate" in sentences(settings_for(tmp_path))


def test_a_certificate_of_the_future_is_an_error(tmp_path: Path) -> None:
    certify(tmp_path, now=datetime.now(UTC) + timedelta(days=2))
    assert "is the clock right?" in sentences(settings_for(tmp_path))


@pytest.mark.parametrize("days", [-900, 2])
def test_a_certificate_whose_time_is_not_now_forbids_no_start(tmp_path: Path, days: int) -> None:
    """The clock may be wrong, before NTP has set it; mail for everybody is better than none."""
    certify(tmp_path, now=datetime.now(UTC) + timedelta(days=days))
    errors, warnings = errors_at_start(settings_for(tmp_path), ports=Ports.NOT_LOOKED_AT)
    assert errors == []
    assert [finding.key for finding in warnings] == ["tls.certificate"]


@pytest.mark.parametrize(("door", "needs_it"), [("smtp", True), ("delivery", False)])
def test_a_door_by_itself_is_not_asked_for_keys_that_it_does_not_get(
    tmp_path: Path, door: str, needs_it: bool
) -> None:
    """As in a container of its own, where the others' are not mounted."""
    (tmp_path / "tls/key.pem").unlink()
    errors, _ = errors_at_start(
        settings_for(tmp_path), only_doors=[door], ports=Ports.NOT_LOOKED_AT
    )
    assert ("tls.key" in {finding.key for finding in errors}) is needs_it


def test_a_certificate_for_another_name_is_a_warning(tmp_path: Path) -> None:
    certify(tmp_path, "other.test")
    told = sentences(settings_for(tmp_path))
    assert told.startswith("warning: tls.certificate: is for other.test, not for mail.a.test")


def test_a_wildcard_certificate_is_for_its_names(tmp_path: Path) -> None:
    certify(tmp_path, "*.a.test")
    assert found(settings_for(tmp_path)) == []


@pytest.mark.parametrize("content", [b"", b"not PEM", b"-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_pem_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tls/certificate.pem").write_bytes(content)
    (tmp_path / "tls/key.pem").write_bytes(content)
    told = sentences(settings_for(tmp_path))
    assert "holds no PEM certificate" in told
    assert "holds no PEM private key" in told


def test_a_key_that_everybody_can_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tls/key.pem").chmod(0o644)
    assert "chmod 600" in sentences(settings_for(tmp_path))


# --- disk ---------------------------------------------------------------------------


def test_a_store_open_to_everybody_is_an_error(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.store.path.chmod(0o755)
    assert "chmod 700" in sentences(settings)


def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    told = sentences(settings_for(tmp_path, store={"min_free_mib": 10**9}))
    assert "no mail will be accepted" in told


def test_a_store_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    told = sentences(settings_for(tmp_path, store={"path": tmp_path / "tpyo"}))
    assert "a new store, with nobody in it, is made at start" in told


def test_a_store_path_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "is not a folder" in sentences(settings_for(tmp_path, store={"path": file}))


def mounts(tmp_path: Path, *lines: tuple[str, str]) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(
        "".join(
            f"{number} 1 0:{number} / {point} rw,relatime shared:1 - {kind} source rw\n"
            for number, (point, kind) in enumerate(lines, start=20)
        )
    )
    return file


@pytest.mark.parametrize("kind", sorted(NETWORK_FILE_SYSTEMS))
def test_a_network_file_system_under_the_store_is_refused(tmp_path: Path, kind: str) -> None:
    table = mounts(tmp_path, ("/", "ext4"), (str(tmp_path), kind))
    settings = settings_for(tmp_path)
    (finding,) = check_disk(settings.store, mounts=table)
    assert finding.level is Level.ERROR
    assert kind in finding.sentence


def test_the_nearest_mount_point_decides(tmp_path: Path) -> None:
    inner = tmp_path / "with space"
    inner.mkdir()
    escaped = str(inner).replace(" ", "\\040")
    table = mounts(tmp_path, ("/", "nfs"), (escaped, "ext4"), (str(tmp_path), "cifs"))
    assert file_system_of(inner, table) == "ext4"
    assert file_system_of(tmp_path, table) == "cifs"
    assert file_system_of(Path("/"), table) == "nfs"


# --- plaintext and legacy -----------------------------------------------------------


def test_plaintext_beside_an_address_that_others_reach_is_refused(tmp_path: Path) -> None:
    open_to_all = {"mx": ["0.0.0.0:0"]}
    settings = settings_for(tmp_path, smtp=open_to_all, auth={"allow_plaintext_on_loopback": True})
    (finding,) = found(settings)
    assert finding.key == "auth.allow_plaintext_on_loopback"
    assert "smtp.mx has 0.0.0.0:0" in finding.sentence


def test_plaintext_on_loopback_alone_is_allowed(tmp_path: Path) -> None:
    settings = settings_for(
        tmp_path,
        smtp={"mx": ["127.0.0.1:0"], "submission": ["127.8.9.1:0"]},
        auth={"allow_plaintext_on_loopback": True},
    )
    assert found(settings) == []


def test_legacy_without_networks_is_refused(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, legacy={"enabled": True, "pop3s": ["127.0.0.1:0"]})
    assert [f.key for f in found(settings) if f.level is Level.ERROR] == ["legacy.networks"]


def test_legacy_with_networks_is_a_warning(tmp_path: Path) -> None:
    legacy = {"enabled": True, "pop3s": ["127.0.0.1:0"], "networks": ["10.0.0.0/8"]}
    (finding,) = found(settings_for(tmp_path, legacy=legacy))
    assert finding.level is Level.WARNING
    assert "10.0.0.0/8" in finding.sentence


def test_legacy_without_a_listener_is_an_error(tmp_path: Path) -> None:
    legacy = {"enabled": True, "networks": ["10.0.0.0/8"]}
    assert "neither" in sentences(settings_for(tmp_path, legacy=legacy))


def test_a_hostname_without_a_dot_is_a_warning(tmp_path: Path) -> None:
    certify(tmp_path, "mail")
    (finding,) = found(settings_for(tmp_path, service={"hostname": "mail"}))
    assert finding.key == "service.hostname"


# --- addresses, chains, descriptors, disks ------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "v6_only", "together"),
    [
        ("127.0.0.1", "127.0.0.1", False, True),
        ("0.0.0.0", "127.0.0.1", False, True),
        ("127.0.0.1", "127.0.0.2", False, False),
        ("::", "::1", False, True),
        ("::", "0.0.0.0", False, True),
        ("::", "0.0.0.0", True, False),
        ("::1", "127.0.0.1", False, False),
        ("::ffff:127.0.0.1", "127.0.0.1", False, True),
    ],
)
def test_two_addresses_at_one_port_are_in_each_others_way(
    one: str, other: str, *, v6_only: bool, together: bool
) -> None:
    assert overlaps(Bind(one, 25), Bind(other, 25), v6_only=v6_only) is together
    assert overlaps(Bind(other, 25), Bind(one, 25), v6_only=v6_only) is together
    assert not overlaps(Bind(one, 25), Bind(other, 26), v6_only=v6_only)


def test_an_address_that_another_one_of_ours_holds_with_all_is_an_error(tmp_path: Path) -> None:
    both = {"mx": ["0.0.0.0:2525"], "submission": ["127.0.0.1:2525", "[::]:2525"]}
    told = [str(one) for one in found(settings_for(tmp_path, smtp=both), ports=Ports.NOT_LOOKED_AT)]
    assert any("0.0.0.0:2525 and 127.0.0.1:2525 overlap" in one for one in told)
    assert not any("[::]:2525" in one for one in told)


def test_a_listener_at_another_address_is_not_in_the_way(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        settings = settings_for(tmp_path, smtp={"mx": [f"127.0.0.1:{port}"]})
        assert found(settings, ports=Ports.MUST_BE_FREE) == []
        assert port_owner(Bind("127.0.0.1", port)) is None


def test_the_holder_of_all_addresses_is_named_with_the_address_it_has(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        settings = settings_for(tmp_path, smtp={"mx": [f"127.0.0.1:{port}"]})
        (finding,) = found(settings, ports=Ports.MUST_BE_FREE)
    assert f", as 0.0.0.0:{port}, by process {os.getpid()} " in finding.sentence


def test_the_ports_of_the_service_that_runs_are_its_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("127.0.0.1", 0)) as x:
        ports = [sock.getsockname()[1] for sock in (own, x)]
        settings = settings_for(tmp_path, smtp={"mx": [f"127.0.0.1:{port}" for port in ports]})
        running = Running(
            pid=77, config_file="m.toml", addresses=frozenset({f"127.0.0.1:{ports[0]}"})
        )
        first, second = found(settings, running=[running])
    assert str(first).startswith("note: service: it runs: process 77, from m.toml;")
    assert second.level is Level.ERROR
    assert f"port {ports[1]} is already in use" in second.sentence


def test_more_connections_than_descriptors_allow_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailserver.settings.check.limits.descriptors_allowed", lambda: 1024)
    told = sentences(settings_for(tmp_path))
    assert "more than 480 are turned away" in told
    monkeypatch.setattr("mailserver.settings.check.limits.descriptors_allowed", lambda: None)
    assert sentences(settings_for(tmp_path)) == ""


def with_a_negative_number(pem: bytes) -> bytes:
    """As no library issues one any more: the sign bit of its serial number is set."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")))
    number = x509.load_pem_x509_certificate(pem).serial_number
    octets = number.to_bytes((number.bit_length() + 8) // 8, "big")
    der[der.index(octets)] |= 0x80
    return ssl.DER_cert_to_PEM_cert(bytes(der)).encode("ascii")


def test_a_certificate_that_nobody_signed_or_whose_chain_ends_too_soon(tmp_path: Path) -> None:
    path = tmp_path / "tls/certificate.pem"
    (finding,) = check_trust(path)
    assert "is self-signed" in finding.sentence
    authority = make_authority("An Authority")
    path.write_bytes(issue([HOST], authority=authority).certificate_pem)
    known = tmp_path / "known.pem"
    known.write_bytes(make_authority("Another").pem)
    (finding,) = check_trust(path, known)
    assert "knows no authority CN=An Authority" in finding.sentence
    known.write_bytes(authority.pem)
    assert not list(check_trust(path, known))
    # Old authorities with a number below zero are in every system's list.
    known.write_bytes(with_a_negative_number(make_authority("Old").pem) + authority.pem)
    assert not list(check_trust(path, known))


def test_a_certificate_that_did_not_sign_the_one_before_it_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "tls/certificate.pem"
    authority, stranger = make_authority("One"), make_authority("Two")
    leaf = issue([HOST], authority=authority).certificate_pem
    path.write_bytes(leaf + authority.pem)
    assert not list(check_chain(path))
    path.write_bytes(leaf + stranger.pem)
    (finding,) = check_chain(path)
    assert "CN=Two did not sign CN=mail.a.test" in finding.sentence


def test_a_store_in_memory_is_a_warning(tmp_path: Path) -> None:
    table = mounts(tmp_path, ("/", "ext4"), (str(tmp_path), "tmpfs"))
    (finding,) = check_lasting(tmp_path, mounts=table)
    assert "in memory (tmpfs)" in finding.sentence
    assert not list(check_lasting(tmp_path, mounts=mounts(tmp_path, ("/", "ext4"))))
