"""Handshakes with a whole service: alerts that arrive, one line for each failure, certificates
of another key type, on every door.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.findings.whole import Whole, whole_service
from tests.programs import needs_program
from tests.supervisor.service import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
IMPLICIT = ("submissions", "pop3s", "https")
STARTTLS = {"mx": "smtp", "submission": "smtp", "pop3": "pop3"}
EVERY = (*IMPLICIT, *STARTTLS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole_service(tmp_path_factory.mktemp("tls") / "s") as whole:
        whole.certify(trustme.KeyType.ECDSA)
        whole.start()
        whole.wait_for("ready")
        yield whole


def s_client(whole: Whole, listener: str, *options: str) -> str:
    """What openssl says of a handshake; it ends as soon as its input does."""
    how = ["-starttls", STARTTLS[listener]] if listener in STARTTLS else []
    told = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{whole.ports[listener]}", *how, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    return (told.stdout + told.stderr).decode("utf-8", "replace")


def failures(whole: Whole, listener: str, words: str) -> list[dict[str, object]]:
    return [
        line
        for line in whole.events("TLS handshake failed", listener=listener, peer="127.0.0.1")
        if words in str(line["reason"])
    ]


@needs_program("openssl")
@pytest.mark.parametrize("listener", EVERY)
@pytest.mark.parametrize(
    ("options", "alert", "words"),
    [
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert protocol version", "too old"),
        (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], "alert handshake failure", "in common"),
    ],
    ids=["old version", "no common cipher"],
)
def test_a_handshake_that_fails_gets_an_alert_and_one_line(
    whole: Whole, listener: str, options: list[str], alert: str, words: str
) -> None:
    assert alert in s_client(whole, listener, *options)
    wait_until(lambda: len(failures(whole, listener, words)) == 1)


@needs_program("openssl")
@pytest.mark.parametrize("listener", EVERY)
def test_a_client_that_does_not_trust_us_is_told_apart(whole: Whole, listener: str) -> None:
    for version in ("-tls1_2", "-tls1_3"):
        s_client(whole, listener, version, "-verify_return_error", "-verify", "3")
    wait_until(lambda: len(failures(whole, listener, "does not accept our certificate")) == 2)


def test_text_where_tls_comes_first_gets_text(whole: Whole) -> None:
    for listener, said, heard in (
        ("submissions", b"EHLO x\r\n", b"421 4.7.0 "),
        ("pop3s", b"CAPA\r\n", b"-ERR [SYS/PERM] "),
        ("https", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 "),
    ):
        with socket.create_connection(("127.0.0.1", whole.ports[listener]), 20) as sock:
            sock.sendall(said)
            assert sock.makefile("rb").read().startswith(heard)
        wait_until(lambda name=listener: len(failures(whole, name, "sent text")) == 1)  # type: ignore[misc]


@pytest.mark.parametrize("listener", STARTTLS)
def test_tls_where_text_comes_first_is_one_line_and_the_end(whole: Whole, listener: str) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", whole.ports[listener]), 20) as sock,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(sock, server_hostname="localhost")
    wait_until(lambda: len(failures(whole, listener, "began with TLS")) == 1)


@pytest.mark.parametrize("listener", IMPLICIT)
def test_a_client_that_goes_in_the_middle_is_a_line_and_one_that_only_looks_in_is_none(
    whole: Whole, listener: str
) -> None:
    for octets in (b"", b"\x16\x03\x01\x02\x00\x01"):
        with socket.create_connection(("127.0.0.1", whole.ports[listener]), 20) as sock:
            sock.sendall(octets)
    wait_until(lambda: len(failures(whole, listener, "in the middle")) == 1)
    assert not failures(whole, listener, "without a word")


@pytest.mark.parametrize("listener", IMPLICIT)
def test_junk_behind_a_record_of_tls_gets_an_alert(whole: Whole, listener: str) -> None:
    with socket.create_connection(("127.0.0.1", whole.ports[listener]), 20) as sock:
        sock.sendall(b"\x16\x03\x01\x00\x05" + b"\x01\x00\x00\x01\xff")
        assert sock.makefile("rb").read(1) == b"\x15"  # RFC 8446 §5.1: alert
    wait_until(lambda: len(failures(whole, listener, "is no handshake")) == 1)


def served(whole: Whole, listener: str) -> bytes:
    """The certificate that a client sees, in DER."""
    pem = s_client(whole, listener)
    begin, end = pem.index("-----BEGIN"), pem.index("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(pem[begin : end + len("-----END CERTIFICATE-----")])


def wait_for_certificate(whole: Whole, listener: str, wanted: bytes) -> None:
    wait_until(lambda: served(whole, listener) == wanted)


@needs_program("openssl")
def test_a_certificate_of_another_key_type_is_served_on_every_door(whole: Whole) -> None:
    for key_type in (trustme.KeyType.RSA, trustme.KeyType.ECDSA):
        new = whole.certify(key_type)
        assert whole.process is not None
        for door in ("smtp", "pop3", "web"):
            for pid in whole.workers(door):
                subprocess.run(["kill", "-HUP", str(pid)], check=True)
        for listener in EVERY:
            for _ in range(4):  # more than one worker
                wait_for_certificate(whole, listener, new)


@needs_program("openssl")
def test_a_broken_certificate_leaves_the_old_one_and_is_said_once(
    whole: Whole, tmp_path: Path
) -> None:
    good = whole.certify(trustme.KeyType.ECDSA)
    workers = [pid for door in ("smtp", "pop3", "web") for pid in whole.workers(door)]

    def renew() -> None:
        for pid in workers:
            subprocess.run(["kill", "-HUP", str(pid)], check=True)

    renew()
    for listener in EVERY:
        wait_for_certificate(whole, listener, good)
    kept = whole.certificate.read_bytes()
    before = len(whole.events("new certificate unusable, the old one stays"))
    whole.certificate.write_bytes(kept[: len(kept) // 2])  # half-written

    def told() -> int:
        return len(whole.events("new certificate unusable, the old one stays")) - before

    renew()
    wait_until(lambda: told() == len(workers))
    renew()
    for listener in EVERY:
        assert served(whole, listener) == good
    assert told() == len(workers)
    wait_until(lambda: "the new certificate cannot be used" in whole.findings())
    whole.certificate.write_bytes(kept)
    renew()


@needs_program("openssl")
def test_status_compares_what_each_listener_serves_with_the_file(whole: Whole) -> None:
    def all_are_named() -> bool:
        """Not where the look of every 30 s comes in between: then once more."""
        whole.certify(trustme.KeyType.RSA)
        for file in (whole.certificate, whole.key):
            os.utime(file, (time.time() - 3600, time.time() - 3600))
        told = whole.findings()
        where = [f"{name} 127.0.0.1:{whole.ports[name]}" for name in EVERY]
        return all(f"{place} serves another certificate" in told for place in where)

    wait_until(all_are_named)
    for door in ("smtp", "pop3", "web"):
        for pid in whole.workers(door):
            subprocess.run(["kill", "-HUP", str(pid)], check=True)
    wait_until(lambda: "serves another certificate" not in whole.findings())


@needs_program("openssl")
def test_status_counts_failed_handshakes_by_reason_and_warns_of_many(whole: Whole) -> None:
    for _ in range(120):
        with socket.create_connection(("127.0.0.1", whole.ports["submissions"]), 20) as sock:
            sock.sendall(b"EHLO x\r\n")
            sock.makefile("rb").read()

    def counted() -> float:
        counters = whole.status()["doors"]["smtp"]["counters"]
        return float(counters.get("tls.failed.not_tls", 0.0))

    wait_until(lambda: counted() >= 120)
    assert "because the client sent text" in whole.findings()
    assert len(failures(whole, "submissions", "sent text")) < 20
