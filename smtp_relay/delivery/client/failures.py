"""What went wrong with a socket or a handshake, in words that a person can read."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from smtp_relay.delivery.plan import TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import ConnectionFailure, Phase


def handshake_failure(tls: TlsDemand, error: BaseException) -> ConnectionFailure:
    """Wished for: another try in clear.  Demanded: never."""
    is_demanded = tls.level > TlsLevel.OPPORTUNISTIC
    words = f"the TLS handshake failed: {reason_of(error)}"
    return ConnectionFailure(
        phase=Phase.TLS,
        status="4.7.5",
        words=f"{tls.source} demands TLS, but {words}" if is_demanded else words,
        is_policy=is_demanded,
        may_try_in_clear=not is_demanded and not tls.is_implicit,
    )


def trust_failure(tls: TlsDemand, why: str) -> ConnectionFailure:
    words = f"{tls.source} demands a certificate that can be trusted: {why}"
    return ConnectionFailure(phase=Phase.TLS, status="4.7.5", words=words, is_policy=True)


def reason_of(error: BaseException) -> str:
    """The part of an exception that a person can read."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or "the other side ended it"


def chain_of(session: ssl.SSLObject) -> Sequence[bytes]:
    """The certificates that the peer showed, DER, its own first."""
    public = getattr(session, "get_unverified_chain", None)  # from Python 3.13 on
    if public is not None:
        return list(public() or [])
    inner = session._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - no other way before 3.13
    return [one.public_bytes(ssl._ssl.ENCODING_DER) for one in inner.get_unverified_chain() or []]  # type: ignore[attr-defined]  # noqa: SLF001
