"""Certificates: renewed in place, resumed across contexts, refused when they do not fit."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL

from mailserver.telemetry.log import get_log
from pop3_store.connection.tls import CertificateUnusable, ServerTls, watch_certificate
from tests.pop3_store.conftest import Credentials

LOG = get_log("pop3")


def make_tls(credentials: Credentials, **options: Any) -> ServerTls:
    wanted = {"minimum": "1.2", **options}
    return ServerTls(certificate=credentials.certificate, key=credentials.key, **wanted)


class Visitor:
    """A TLS client in memory, which keeps its session from one visit to the next."""

    def __init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._session: ssl.SSLSession | None = None
        self.is_resumed: bool | None = None

    def visit(self, tls: ServerTls) -> bytes:
        """Shake hands and read a line; returns the server's certificate."""
        server = tls.serverConnectionForTLS(None)
        server.set_accept_state()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self._context.wrap_bio(incoming, outgoing, session=self._session)
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            if outgoing.pending:
                server.bio_write(outgoing.read())
            with contextlib.suppress(SSL.WantReadError):
                server.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                incoming.write(server.bio_read(65536))
        server.send(b"+OK\r\n")
        incoming.write(server.bio_read(65536))
        assert client.read(100) == b"+OK\r\n"  # and with it the ticket of TLS 1.3
        self._session = client.session
        self.is_resumed = client.session_reused
        return client.getpeercert(binary_form=True) or b""


def shown_certificate(tls: ServerTls) -> bytes:
    return Visitor().visit(tls)


@pytest.mark.parametrize("is_renewed", [False, True])
def test_a_client_resumes_its_session(credentials: Credentials, *, is_renewed: bool) -> None:
    tls = make_tls(credentials)
    watch = watch_certificate(tls)
    visitor = Visitor()
    visitor.visit(tls)
    if is_renewed:
        credentials.renew()
        assert watch.renew(LOG)
    visitor.visit(tls)
    assert visitor.is_resumed


def test_a_certificate_that_does_not_fit_its_key_leaves_the_old_one(
    credentials: Credentials,
) -> None:
    tls = make_tls(credentials)
    watch = watch_certificate(tls)
    before = shown_certificate(tls)
    old_key = credentials.key.read_bytes()
    credentials.renew()
    new_key = credentials.key.read_bytes()
    credentials.key.write_bytes(old_key)
    assert not watch.renew(LOG)
    assert watch.refusal
    assert shown_certificate(tls) == before
    credentials.key.write_bytes(new_key)
    assert watch.renew(LOG)
    assert not watch.refusal
    assert shown_certificate(tls) != before


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_pass_phrase(
    credentials: Credentials,
) -> None:
    watch = watch_certificate(make_tls(credentials))
    credentials.renew()
    key = load_pem_private_key(credentials.key.read_bytes(), None)
    credentials.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"xyzzy"))
    )
    assert not watch.renew(LOG)
    assert watch.refusal


def test_a_missing_key_stops_the_start_and_not_the_running_door(credentials: Credentials) -> None:
    tls = make_tls(credentials)
    watch = watch_certificate(tls)
    credentials.key.unlink()
    assert not watch.renew(LOG)
    assert "No such file" in watch.refusal
    shown_certificate(tls)
    with pytest.raises(CertificateUnusable):
        make_tls(credentials)


def test_a_certificate_of_another_key_type_takes_the_place_of_the_old_one(
    credentials: Credentials,
) -> None:
    tls = make_tls(credentials)
    watch = watch_certificate(tls)
    for key_type in (trustme.KeyType.RSA, trustme.KeyType.ECDSA):
        credentials.renew(key_type)
        assert watch.renew(LOG)
        chain = credentials.certificate.read_text()
        assert shown_certificate(tls) == ssl.PEM_cert_to_DER_cert(
            chain[: chain.index("-----END") + len("-----END CERTIFICATE-----")]
        )
