"""Certificates that a service makes for itself, judged by a real TLS handshake."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mailserver.keys.making import PRIVATE_MODE, write_new
from mailserver.setup.certificate import Issued, issue, make_authority


def handshake(folder: Path, issued: Issued, trusted_pem: bytes, name: str) -> str | None:
    """Over memory; the TLS version, or raises what the client says."""
    issued.write(folder / "certificate.pem", folder / "key.pem")
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    client_context = ssl.create_default_context(cadata=trusted_pem.decode("ascii"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        _advance(side.do_handshake)
    return client.version()


def _advance(step: Callable[[], None]) -> None:
    try:
        step()
    except ssl.SSLWantReadError:
        return


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "mail.ac-exemple.fr"])
def test_an_authoritys_certificate_is_good_for_each_of_its_names(tmp_path: Path, name: str) -> None:
    authority = make_authority("Demo")
    names = ["mail.ac-exemple.fr", "localhost", "127.0.0.1", "::1"]
    issued = issue(names, authority=authority)
    assert handshake(tmp_path, issued, authority.pem, name) == "TLSv1.3"


def test_a_self_signed_certificate_is_good_for_who_trusts_it(tmp_path: Path) -> None:
    issued = issue(["mail.a.test"])
    assert handshake(tmp_path, issued, issued.certificate_pem, "mail.a.test") == "TLSv1.3"


def test_another_name_is_refused(tmp_path: Path) -> None:
    issued = issue(["mail.a.test"])
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(tmp_path, issued, issued.certificate_pem, "mail.b.test")


def test_a_stranger_does_not_trust_it(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, issue(["a.test"]), make_authority("Other").pem, "a.test")


def test_a_key_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    write_new(key, b"first", mode=PRIVATE_MODE)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_new(key, b"second", mode=PRIVATE_MODE)
    assert key.read_bytes() == b"first"


def test_a_long_host_name_still_gets_a_certificate() -> None:
    assert issue(["a" * 60 + "." + "b" * 60 + ".test"]).certificate_pem
