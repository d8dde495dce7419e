"""Contexts of asyncio's doors: another key type, tickets that outlive a renewal, files that are
half-written, links, encrypted keys.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from mailserver.settings.model import Settings
from mailserver.telemetry.log import get_log
from mailserver.tls.contexts import (
    DoorContext,
    DoorContexts,
    alert_of,
    make_contexts,
    watch_certificate,
)

LOG = get_log("tls")
RSA, EC = trustme.KeyType.RSA, trustme.KeyType.ECDSA


class Files:
    """A certificate and its key, where settings name them."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.settings = Settings.model_validate(
            {
                "service": {"domain": "a.test", "hostname": "mail.a.test"},
                "tls": {"certificate": self.certificate, "key": self.key},
                "legacy": {"enabled": True, "networks": ["127.0.0.0/8"]},
            }
        )

    def write(self, key_type: trustme.KeyType = EC, *, chain: bool = False) -> bytes:
        """The new certificate in DER."""
        authority = trustme.CA()
        issuer = authority.create_child_ca() if chain else authority
        issued = issuer.issue_cert("localhost", key_type=key_type)
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.write()
    return files


class Visitor:
    """A TLS client in memory, which keeps its session from one visit to the next."""

    def __init__(self, *, name: str | None = "localhost", newest: str = "TLSv1_3") -> None:
        self._name = name
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.maximum_version = getattr(ssl.TLSVersion, newest)
        self._session: ssl.SSLSession | None = None
        self.is_resumed: bool | None = None
        self.chain_length = 0

    def visit(self, context: DoorContext) -> bytes:
        """Shake hands and read a line; returns the server's certificate."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(to_server, to_client, server_side=True)
        client = self._context.wrap_bio(
            to_client, to_server, server_hostname=self._name, session=self._session
        )
        for _ in range(4):
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        server.write(b"220\r\n")
        assert client.read(100) == b"220\r\n"  # and with it the ticket of TLS 1.3
        self._session, self.is_resumed = client.session, client.session_reused
        return client.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("name", ["localhost", None])
@pytest.mark.parametrize(("first", "then"), [(EC, RSA), (RSA, EC), (EC, EC), (RSA, RSA)])
def test_a_new_certificate_is_served_whatever_its_key(
    files: Files, first: trustme.KeyType, then: trustme.KeyType, name: str | None, newest: str
) -> None:
    files.write(first)
    contexts = make_contexts(files.settings)
    watch = watch_certificate(contexts, files.settings)
    for key_type in (then, first, then):
        new = files.write(key_type, chain=True)
        assert watch.renew(LOG)
        assert not watch.renew(LOG)
        for context in (contexts.modern, contexts.legacy):
            assert context is not None
            assert Visitor(name=name, newest=newest).visit(context) == new


@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_after_a_renewal(files: Files, newest: str) -> None:
    contexts = make_contexts(files.settings)
    visitor = Visitor(newest=newest)
    visitor.visit(contexts.modern)
    files.write(RSA)
    assert watch_certificate(contexts, files.settings).renew(LOG)
    visitor.visit(contexts.modern)
    assert visitor.is_resumed


def test_a_worker_that_is_started_again_serves_the_files_of_now(files: Files) -> None:
    contexts = make_contexts(files.settings)  # what its parent made long ago
    new = files.write(RSA)
    assert watch_certificate(contexts, files.settings).renew(LOG)  # its first look
    assert Visitor().visit(contexts.modern) == new


@pytest.mark.parametrize("damage", ["half a certificate", "another key", "no key", "empty"])
def test_files_that_cannot_be_used_leave_the_old_ones(files: Files, damage: str) -> None:
    old = files.write()
    contexts = make_contexts(files.settings)
    watch = watch_certificate(contexts, files.settings)
    kept_key = files.key.read_bytes()
    new = files.write(RSA)
    certificate, key = files.certificate.read_bytes(), files.key.read_bytes()
    match damage:
        case "half a certificate":
            files.certificate.write_bytes(certificate[:300])
        case "another key":
            files.key.write_bytes(kept_key)
        case "no key":
            files.key.unlink()
        case _:
            files.certificate.write_bytes(b"")
    for _ in range(2):
        assert not watch.renew(LOG)
        assert watch.refusal
        assert Visitor().visit(contexts.modern) == old
    files.certificate.write_bytes(certificate)
    files.key.write_bytes(key)
    assert watch.renew(LOG)
    assert not watch.refusal
    assert Visitor().visit(contexts.modern) == new


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_pass_phrase(files: Files) -> None:
    contexts = make_contexts(files.settings)
    watch = watch_certificate(contexts, files.settings)
    files.write()
    key = load_pem_private_key(files.key.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"xyzzy"))
    files.key.write_bytes(locked)
    assert not watch.renew(LOG)
    assert watch.refusal


def test_links_as_certbot_makes_them_are_followed(files: Files, tmp_path: Path) -> None:
    def link(number: int) -> bytes:
        new = files.write()
        for file in (files.certificate, files.key):
            target = tmp_path / f"{file.stem}{number}.pem"
            target.write_bytes(file.read_bytes())
            (tmp_path / "next").symlink_to(target)
            os.replace(tmp_path / "next", file)
        return new

    link(1)
    contexts = make_contexts(files.settings)
    watch = watch_certificate(contexts, files.settings)
    files.certificate.unlink()
    files.key.unlink()
    new = link(2)
    assert watch.renew(LOG)
    assert Visitor().visit(contexts.modern) == new


def fail(contexts: DoorContexts, octets: bytes) -> ssl.SSLError:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = contexts.modern.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(octets)
    with pytest.raises(ssl.SSLError) as raised:
        side.do_handshake()
    return raised.value


def test_the_error_of_a_handshake_carries_its_alert(files: Files) -> None:
    error = fail(make_contexts(files.settings), b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff")
    assert alert_of(error)[:1] == b"\x15"
    assert alert_of(ConnectionResetError()) == b""


def test_alpn_is_answered_after_a_renewal_too(files: Files) -> None:
    contexts = make_contexts(files.settings, protocols=["http/1.1"])
    for key_type in (EC, RSA):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = contexts.modern.wrap_bio(to_server, to_client, server_side=True)
        asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
        asking.set_alpn_protocols(["h2", "http/1.1"])
        client = asking.wrap_bio(to_client, to_server)
        for _ in range(3):
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        assert client.selected_alpn_protocol() == "http/1.1"
        files.write(key_type)
        assert watch_certificate(contexts, files.settings).renew(LOG)
