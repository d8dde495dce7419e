"""What a certificate must prove before a hop gets a message.

    OPPORTUNISTIC, ENCRYPT   nothing
    VERIFY                   chain and dates (by OpenSSL), and one of `names`
    DANE, usage 3            a TLSA record names the certificate or its key; no
                             name, no date (RFC 7672 §3.1.1)
    DANE, usage 2            a TLSA record names an issuer, the path and the dates
                             up to it, and one of `names` (RFC 7672 §3.1.2)

The standard library knows nothing of DANE, so there the handshake checks
nothing and the certificates are compared here, before any command is said.
"""

from __future__ import annotations

import hashlib
import ssl
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtp_relay.delivery.plan import Tlsa, TlsDemand, TlsLevel

_MAX_CHAIN: Final = 10
_ANY_CIPHERS: Final = "DEFAULT:@SECLEVEL=0"  # weak beats none, where nothing is demanded
_DIGESTS = {1: hashlib.sha256, 2: hashlib.sha512}
_USAGE_TA, _USAGE_EE = 2, 3
_SELECTOR_KEY = 1


class Untrusted(Exception):
    """The certificate does not prove what is demanded; the text says why."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """Made once, before the fork: loading the system's trust costs milliseconds."""

    wished: ssl.SSLContext  # OPPORTUNISTIC: old versions too
    demanded: ssl.SSLContext  # ENCRYPT and DANE: TLS 1.2 at least
    verified: ssl.SSLContext

    def of(self, level: TlsLevel) -> ssl.SSLContext:
        if level is TlsLevel.VERIFY:
            return self.verified
        return self.wished if level <= TlsLevel.OPPORTUNISTIC else self.demanded


def make_contexts(trust: Path | None = None) -> Contexts:
    """trust: a file of root certificates; None: the system's.

    Raises:
        OSError, ssl.SSLError: the file cannot be read.
    """
    wished = _context()
    with warnings.catch_warnings():  # TLS 1.0 is deprecated, and still better than none
        warnings.simplefilter("ignore", DeprecationWarning)
        wished.minimum_version = ssl.TLSVersion.TLSv1
    wished.set_ciphers(_ANY_CIPHERS)
    verified = _context()
    verified.verify_mode = ssl.CERT_REQUIRED
    if trust is None:
        verified.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        verified.load_verify_locations(trust)
    return Contexts(wished=wished, demanded=_context(), verified=verified)


def check_chain(chain: Sequence[bytes], demand: TlsDemand, now: datetime) -> str:
    """What the certificate proves, in words for the journey.

    chain: DER, the peer's own certificate first.  For VERIFY, OpenSSL has
        checked it up to a trusted root.

    Raises:
        Untrusted: less than is demanded.
    """
    if demand.level < TlsLevel.VERIFY:
        return "certificate not checked"
    if not chain:
        raise Untrusted("it showed no certificate")
    try:
        if demand.level is TlsLevel.VERIFY:
            _check_names(x509.load_der_x509_certificate(chain[0]), demand.names)
            return f"certificate verified ({demand.source})"
        return _check_dane(chain, demand, now)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Untrusted(f"its certificate cannot be read: {error}") from error


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # names are checked here, for several names at once
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _check_dane(chain: Sequence[bytes], demand: TlsDemand, now: datetime) -> str:
    if any(one.usage == _USAGE_EE and _names(one, chain[0]) for one in demand.tlsa):
        return "DANE"
    problem = Untrusted("no TLSA record names its certificate")
    for record in demand.tlsa:
        if record.usage != _USAGE_TA:
            continue
        for anchor in _anchors(record, chain):
            try:
                _check_path(chain, anchor, now)
                _check_names(x509.load_der_x509_certificate(chain[0]), demand.names)
            except Untrusted as error:
                problem = error
            else:
                return "DANE"
    raise problem


def _anchors(record: Tlsa, chain: Sequence[bytes]) -> Iterable[bytes]:
    """Certificates that the record names; a whole one in it need not be sent (RFC 7671 §5.2.1)."""
    yield from (one for one in chain[:_MAX_CHAIN] if _names(record, one))
    if record.matching == 0 and record.selector != _SELECTOR_KEY:
        yield record.data


def _names(record: Tlsa, certificate: bytes) -> bool:
    """RFC 6698 §2.1: the whole or its key, as it is or digested."""
    octets = certificate
    if record.selector == _SELECTOR_KEY:
        key = x509.load_der_x509_certificate(certificate).public_key()
        octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = _DIGESTS.get(record.matching)
    return record.data == (digest(octets).digest() if digest is not None else octets)


def _check_path(chain: Sequence[bytes], anchor: bytes, now: datetime) -> None:
    """From the peer's certificate, issuer by issuer, up to the anchor."""
    pool = [x509.load_der_x509_certificate(der) for der in (*chain[1:_MAX_CHAIN], anchor)]
    top = pool[-1]
    current = x509.load_der_x509_certificate(chain[0])
    for _ in range(_MAX_CHAIN):
        if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
            raise Untrusted(f"a certificate of its chain is valid until {_day(current)} only")
        if current == top:
            return
        issuer = next((one for one in pool if _is_issued_by(current, one)), None)
        if issuer is None or issuer == current:
            break
        current = issuer
    raise Untrusted("its certificate was not issued by the one that a TLSA record names")


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca


def _check_names(certificate: x509.Certificate, wanted: Sequence[str]) -> None:
    """RFC 6125 §6.4: the alternative names only, never the common name."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise Untrusted("its certificate bears no alternative name") from None
    borne = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
    borne += [str(ip) for ip in extension.value.get_values_for_type(x509.IPAddress)]
    if not any(_is_match(one, name.lower()) for one in borne for name in wanted):
        raise Untrusted(f"its certificate is for {', '.join(borne[:5])}, not {', '.join(wanted)}")


def _is_match(borne: str, wanted: str) -> bool:
    """`*.` stands for one whole label, on either side (RFC 6125 §6.4.3, RFC 8461 §4.1)."""
    return borne == wanted or _covers(borne, wanted) or _covers(wanted, borne)


def _covers(pattern: str, name: str) -> bool:
    label, dot, rest = name.partition(".")
    return bool(label and dot and rest) and label != "*" and pattern == f"*.{rest}"


def _day(certificate: x509.Certificate) -> str:
    return certificate.not_valid_after_utc.date().isoformat()
