"""TLS for this door: one context per process tree, certificates that can change.

The base context is made before the fork, so all workers share its ticket keys
and a client may resume its TLS session with any of them.  OpenSSL does not
allow a context to change once it was used; a renewed certificate is loaded into
a fresh context, which each handshake then takes over (the server-name callback
runs for clients without a name too), while tickets stay with the base.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer  # type: ignore[import-untyped]

from mailserver.keys.files import named, stamp_of
from mailserver.settings.model import TlsVersion

_VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_LEGACY_CIPHERS = b"DEFAULT:@SECLEVEL=0"
_SESSION_ID = b"pop3"

Fingerprint = tuple[tuple[int, int, int], ...]


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
        self._certificate = certificate
        self._key = key
        self._minimum = minimum
        self._is_legacy = is_legacy
        self._seen = self._fingerprint()
        self._base = self._load()
        self._current = self._base

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:
        return SSL.Connection(self._base, None)

    def reload_if_changed(self) -> bool:
        """Load the files again when they are not those of last time.

        Raises:
            CertificateUnusable: the ones in use stay in use; the next call tries again.
        """
        seen = self._fingerprint()
        if seen == self._seen:
            return False
        self._current = self._load()
        self._seen = seen
        return True

    def _fingerprint(self) -> Fingerprint:
        try:
            return stamp_of(self._certificate), stamp_of(self._key)
        except OSError as error:
            raise CertificateUnusable(str(error)) from error

    def _load(self) -> SSL.Context:
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
            with named(self._certificate, self._key) as (certificate, key):
                context.use_certificate_chain_file(certificate)
                context.use_privatekey_file(key)
            context.check_privatekey()
        except (SSL.Error, OSError) as error:
            raise CertificateUnusable(f"{self._certificate}, {self._key}: {error}") from error
        context.set_tlsext_servername_callback(self._take_current)
        return context

    def _take_current(self, connection: SSL.Connection) -> None:
        if self._current is not self._base:
            connection.set_context(self._current)


class TlsEntrance(TLSMemoryBIOFactory):
    """Implicit TLS in front of another factory, which may turn a peer away."""

    protocol = TLSMemoryBIOProtocol  # our sessions batch their replies themselves

    def buildProtocol(self, addr: Any) -> Any:
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)  # type: ignore[no-untyped-call]
