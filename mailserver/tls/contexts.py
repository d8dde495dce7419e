"""Server-side TLS contexts, and the watch over their certificate's files.

Contexts are made before the fork: session tickets are then good for every
worker.  OpenSSL does not let go of a certificate that a context has served: one
of another key type would stand beside the old one.  So a changed certificate is
loaded into a fresh context, which each handshake then takes over (the
server-name callback runs for clients without a name too), while tickets stay
with the first context, which all workers share.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailserver.keys.files import Stamp, named, stamp_of
from mailserver.settings.model import Settings, TlsVersion
from mailserver.telemetry.log import Log

_VERSIONS: dict[TlsVersion, ssl.TLSVersion] = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
LEGACY_CIPHERS = "DEFAULT:@SECLEVEL=0"  # TLS 1.0 needs SHA-1, which level 1 and up refuse
_NOT_AN_END = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _TellingSide(ssl.SSLObject):
    """The TLS of one connection; the error of a handshake that failed carries the alert for it.

    The loop drops what OpenSSL would still say; whoever catches the error can send it.
    """

    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if not isinstance(error, _NOT_AN_END):
                error.alert = self.outgoing.read()  # type: ignore[attr-defined]
            raise


class DoorContext(ssl.SSLContext):
    """A context of a door.  `alert_of` an error of its handshakes is what the peer should hear."""

    sslobject_class = _TellingSide

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any
    ) -> ssl.SSLObject:
        side = super().wrap_bio(incoming, outgoing, *args, **options)
        assert isinstance(side, _TellingSide)
        side.outgoing = outgoing
        return side


def alert_of(error: BaseException) -> bytes:
    """The records that OpenSSL made when this handshake failed; empty: nothing to say."""
    alert: bytes = getattr(error, "alert", b"")
    return alert


Stamps = tuple[Stamp, ...]


def stamps_of(*files: Path) -> Stamps:
    """They change when a file does, or what its name leads to: certbot changes links.

    Raises:
        OSError: one of them is missing.
    """
    return tuple(stamp_of(file) for file in files)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a listener speaks; a fresh context must be made just as the first one."""

    minimum: TlsVersion
    ciphers: str = ""
    protocols: tuple[str, ...] = ()  # ALPN, RFC 7301

    def make(self, certificate: Path, key: Path) -> DoorContext:
        """
        Raises:
            OSError, ssl.SSLError: a file is missing, or the two do not match.
        """
        context = DoorContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():  # old versions are deprecated: who asks for them knows
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = _VERSIONS[self.minimum]
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if self.ciphers:
            context.set_ciphers(self.ciphers)
        if self.protocols:
            context.set_alpn_protocols(list(self.protocols))
        # An encrypted key would be asked for on a terminal: it fails instead.
        with named(certificate, key) as (certificate_name, key_name):
            context.load_cert_chain(certificate_name, key_name, password=lambda: b"")
        return context


@dataclass(frozen=True, slots=True)
class DoorContexts:
    """`legacy` is None while the legacy listener is off.  stamps: of the files that were loaded."""

    modern: DoorContext
    legacy: DoorContext | None
    stamps: Stamps
    kinds: tuple[_Kind, _Kind | None]

    def load(self, certificate: Path, key: Path) -> None:
        """New handshakes get this certificate.

        Raises:
            OSError, ssl.SSLError: unusable; the one before stays.
        """
        pairs = zip((self.modern, self.legacy), self.kinds, strict=True)
        fresh = [
            (context, kind.make(certificate, key)) for context, kind in pairs if context and kind
        ]
        for context, successor in fresh:
            context.sni_callback = _hand_over_to(successor)


def make_contexts(
    settings: Settings, *, with_legacy: bool = True, protocols: Sequence[str] = ()
) -> DoorContexts:
    """with_legacy: where the settings enable it.  protocols: what ALPN offers.

    Raises:
        OSError, ssl.SSLError: the certificate or its key cannot be used.
    """
    modern = _Kind(settings.tls.minimum, protocols=tuple(protocols))
    legacy = (
        _Kind(settings.legacy.minimum, ciphers=LEGACY_CIPHERS)
        if with_legacy and settings.legacy.enabled
        else None
    )
    files = (settings.tls.certificate, settings.tls.key)
    stamps = stamps_of(*files)  # before they are read: what changes meanwhile is read again
    return DoorContexts(
        modern=modern.make(*files),
        legacy=legacy.make(*files) if legacy else None,
        stamps=stamps,
        kinds=(modern, legacy),
    )


def _hand_over_to(successor: DoorContext) -> Callable[[ssl.SSLObject, Any, Any], None]:
    def hand_over(side: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        side.context = successor

    return hand_over


class CertificateWatch:
    """Notices that the files have changed.  A half-written pair is tried again next time.

    A worker that is started again years later serves what its parent loaded then: its first
    `renew`, when it begins, puts that right.
    """

    def __init__(
        self,
        load: Callable[[Path, Path], None],
        *,
        certificate: Path,
        key: Path,
        loaded: Stamps,
        errors: tuple[type[Exception], ...] = (),
    ) -> None:
        """load: raises OSError or one of `errors` for files that cannot be used.

        loaded: the stamps of the files that are served now.
        """
        self.refusal = ""
        """Why the files of now are not served; empty: they are."""
        self._load = load
        self._files = (certificate, key)
        self._errors: tuple[type[Exception], ...] = (OSError, *errors)
        self._loaded = loaded

    def renew(self, log: Log) -> bool:
        """Load the files if they are new, and say what became of it, once; True if they were."""
        before, self.refusal = self.refusal, ""
        try:
            stamps = stamps_of(*self._files)
            if stamps == self._loaded:
                return False
            self._load(*self._files)
        except self._errors as error:
            self.refusal = str(error) or type(error).__name__
            if self.refusal != before:
                words = "new certificate unusable, the old one stays"
                log.error(words, error=self.refusal)  # noqa: TRY400 - no fault of ours
            return False
        self._loaded = stamps
        log.info("certificate loaded again", file=str(self._files[0]))
        return True


def watch_certificate(contexts: DoorContexts, settings: Settings) -> CertificateWatch:
    """Of the door's contexts."""
    return CertificateWatch(
        contexts.load,
        certificate=settings.tls.certificate,
        key=settings.tls.key,
        loaded=contexts.stamps,
    )
