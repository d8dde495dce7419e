"""TLS for this door: one context per process tree, certificates that can change.

The base context is made before the fork, so all workers share its ticket keys
and a client may resume its TLS session with any of them.  OpenSSL does not
allow a context to change once it was used; a renewed certificate is loaded into
a fresh context, which each handshake then takes over (the server-name callback
runs for clients without a name too), while tickets stay with the base.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer  # type: ignore[import-untyped]

from mailserver.keys.files import named, read_key
from mailserver.settings.model import TlsVersion
from mailserver.tls.contexts import CertificateWatch, Stamps, stamps_of
from mailserver.tls.failures import ALERT, Reason, classify

_VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_LEGACY_CIPHERS = b"DEFAULT:@SECLEVEL=0"
_SESSION_ID = b"pop3"


class CertificateUnusable(Exception):
    """The certificate or key cannot be read, or they do not belong together."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """Makes the TLS side of each connection.

    `is_legacy` admits the ciphers and signatures of programs of 2009 too.

    Raises:
        CertificateUnusable: see there.
    """

    def __init__(
        self, *, certificate: Path, key: Path, minimum: TlsVersion, is_legacy: bool = False
    ) -> None:
        self._minimum = minimum
        self._is_legacy = is_legacy
        self.files = (certificate, key)
        self.stamps = self._stamps()  # before they are read: what changes meanwhile is read again
        self._base = self._make(*self.files)
        self._current = self._base

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:
        return SSL.Connection(self._base, None)

    def load(self, certificate: Path, key: Path) -> None:
        """New handshakes get this certificate.

        Raises:
            CertificateUnusable: the one before stays.
        """
        self._current = self._make(certificate, key)

    def _stamps(self) -> Stamps:
        try:
            return stamps_of(*self.files)
        except OSError as error:
            raise CertificateUnusable(str(error)) from error

    def _make(self, certificate: Path, key: Path) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(_VERSIONS[self._minimum])
        context.set_options(
            SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION
        )
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 34 KiB less per idle connection
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets only
        context.set_session_id(_SESSION_ID)
        if self._is_legacy:
            context.set_cipher_list(_LEGACY_CIPHERS)
        try:
            with named(certificate) as (name,):
                context.use_certificate_chain_file(name)
            # Not from the file: of an encrypted one, OpenSSL would ask a terminal for the phrase.
            private: Any = load_pem_private_key(read_key(key), password=None)
            context.use_privatekey(private)
            context.check_privatekey()
        except (SSL.Error, OSError, TypeError, ValueError) as error:
            raise CertificateUnusable(f"{certificate}, {key}: {error}") from error
        context.set_tlsext_servername_callback(self._take_current)
        return context

    def _take_current(self, connection: SSL.Connection) -> None:
        if self._current is not self._base:
            connection.set_context(self._current)


def watch_certificate(*served: ServerTls) -> CertificateWatch:
    """Of all that serve the same files."""

    def load(certificate: Path, key: Path) -> None:
        for tls in served:
            tls.load(certificate, key)

    certificate, key = served[0].files
    return CertificateWatch(
        load,
        certificate=certificate,
        key=key,
        loaded=served[0].stamps,
        errors=(CertificateUnusable,),
    )


def words_of(error: BaseException | None) -> str:
    """What OpenSSL says of a failure: `unsupported protocol`."""
    queue = error.args[0] if isinstance(error, SSL.Error) and error.args else ()
    told = queue[-1][-1] if isinstance(queue, list) and queue else ""
    return str(told)


def reason_of(error: BaseException | None, *, has_heard: bool) -> Reason:
    """Why a handshake ended, from what Twisted gives to `connectionLost`."""
    if words := words_of(error):
        return classify(words)
    return Reason.CLOSED if has_heard else Reason.LOOKED_IN


class TlsFirst(TLSMemoryBIOProtocol):
    """TLS from the first octet.  Who sends text gets text: an alert would be read by nobody."""

    factory: TlsFactory
    _check_count = 0

    def _tlsShutdownFinished(self, reason: Any) -> None:
        is_text = reason is not None and classify(words_of(reason.value)) is Reason.NOT_TLS
        if is_text and not self._handshakeDone:
            self.say_in_clear()
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]

    def say_in_clear(self) -> None:
        """In place of what the TLS layer would say."""
        with suppress(SSL.WantReadError):
            self._tlsConnection.bio_read(2**15)
        transport: Any = self.transport
        transport.write(self.factory.in_clear)

    @property
    def has_heard(self) -> bool:
        """Has any octet of a handshake come?"""
        return self._check_count > 1  # the first one is at the beginning

    def _checkHandshakeStatus(self) -> None:
        self._check_count += 1
        super()._checkHandshakeStatus()  # type: ignore[no-untyped-call]


class OneReply(Protocol):
    """Says one reply and closes."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._reply)
        transport.loseConnection()


class TlsFactory(TLSMemoryBIOFactory):
    """Implicit TLS in front of another factory, which may turn a peer away.

    in_clear: what is said to who speaks no TLS.
    """

    protocol = TlsFirst  # our sessions batch their replies themselves

    def __init__(self, tls: ServerTls, factory: Any, reactor: Any, *, in_clear: bytes) -> None:
        creator: Any = tls
        super().__init__(creator, False, factory, reactor)
        self.in_clear = in_clear

    def buildProtocol(self, addr: Any) -> Any:
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return OneReply(ALERT) if wrapped is None else self.protocol(self, wrapped)  # type: ignore[no-untyped-call]
