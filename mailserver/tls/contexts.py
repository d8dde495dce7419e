"""Server-side TLS contexts, and the watch over their certificate's files.

Contexts are made before the fork: session tickets are then good for every
worker.  A changed certificate is loaded into the same context, so listeners
keep running and new handshakes get the new one.
"""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path

from mailserver.keys.files import named, stamp_of
from mailserver.settings.model import Settings, TlsVersion

_VERSIONS: dict[TlsVersion, ssl.TLSVersion] = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
LEGACY_CIPHERS = "DEFAULT:@SECLEVEL=0"  # TLS 1.0 needs SHA-1, which level 1 and up refuse


@dataclass(frozen=True, slots=True)
class Contexts:
    """`legacy` is None while the legacy listener is off."""

    modern: ssl.SSLContext
    legacy: ssl.SSLContext | None

    def load(self, certificate: Path, key: Path) -> None:
        """
        Raises:
            OSError, ssl.SSLError: a file is missing, or the two do not match.
        """
        with named(certificate, key) as names:
            for context in (self.modern, self.legacy):
                if context is not None:
                    context.load_cert_chain(*names)


def make_contexts(settings: Settings, *, with_legacy: bool = True) -> Contexts:
    """with_legacy: where the settings enable it.

    Raises:
        OSError, ssl.SSLError: as `Contexts.load`.
    """
    contexts = Contexts(
        modern=_context(settings.tls.minimum),
        legacy=_legacy_context(settings.legacy.minimum)
        if with_legacy and settings.legacy.enabled
        else None,
    )
    contexts.load(settings.tls.certificate, settings.tls.key)
    return contexts


def _context(minimum: TlsVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():  # old versions are deprecated: who asks for them knows
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[minimum]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _legacy_context(minimum: TlsVersion) -> ssl.SSLContext:
    context = _context(minimum)
    context.set_ciphers(LEGACY_CIPHERS)
    return context


class CertificateWatch:
    """Notices that the files have changed.  A half-written pair is tried again next time."""

    def __init__(self, contexts: Contexts, *, certificate: Path, key: Path) -> None:
        self._contexts = contexts
        self._certificate = certificate
        self._key = key
        self._loaded = self._stamp()

    def reload(self) -> bool:
        """Load the files if they are new; True if they were.

        Raises:
            OSError, ssl.SSLError: they are new and unusable; the old ones stay in use.
        """
        stamp = self._stamp()
        if stamp == self._loaded:
            return False
        # A probe first: a context that got a certificate without its key would serve neither.
        with named(self._certificate, self._key) as names:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*names)
        self._contexts.load(self._certificate, self._key)
        self._loaded = stamp
        return True

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        return stamp_of(self._certificate), stamp_of(self._key)
