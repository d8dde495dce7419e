"""Are the certificate and its key usable, and for this host name?"""

from __future__ import annotations

import ssl
import stat
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.utils import CryptographyDeprecationWarning

from mailserver.settings.check.finding import Finding, error, error_to_live_with, warning
from mailserver.settings.model import Settings
from mailserver.values.address import fold_domain

DAY_S = 86_400.0
EXPIRES_SOON_S = 14 * DAY_S
_CERTIFICATE = "tls.certificate"
_KEY = "tls.key"


def check_tls(settings: Settings, *, now_s: float) -> Iterator[Finding]:
    """Readable, matching, in force, and for `service.hostname`."""
    certificate = _load_certificate(settings.tls.certificate)
    key = _load_key(settings.tls.key)
    if isinstance(certificate, Finding):
        yield certificate
    else:
        yield from _check_dates(certificate, settings.tls.certificate, now_s)
        for name in _names_to_bear(settings):
            yield from _check_name(certificate, name)
        yield from check_chain(settings.tls.certificate)
    if isinstance(key, Finding):
        yield key
        return
    yield from _check_mode(settings.tls.key)
    if not isinstance(certificate, Finding) and not _belong_together(certificate, key):
        yield error(
            _KEY,
            f"{settings.tls.key} is not the key of the first certificate in"
            f" {settings.tls.certificate}: the server's own stands first, its chain after it",
        )


def _load_certificate(path: Path) -> x509.Certificate | Finding:
    octets = _read(path, _CERTIFICATE)
    if isinstance(octets, Finding):
        return octets
    try:
        return x509.load_pem_x509_certificates(octets)[0]
    except ValueError:
        return error(_CERTIFICATE, f"{path} holds no PEM certificate (-----BEGIN CERTIFICATE-----)")


def _load_key(path: Path) -> PrivateKeyTypes | Finding:
    octets = _read(path, _KEY)
    if isinstance(octets, Finding):
        return octets
    try:
        return load_pem_private_key(octets, password=None)
    except TypeError:
        return error(_KEY, f"{path} is encrypted: write it without a pass phrase, mode 600")
    except ValueError:
        return error(_KEY, f"{path} holds no PEM private key")


def _read(path: Path, key: str) -> bytes | Finding:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return error(key, f"{path} does not exist")
    except OSError as failure:
        return error(key, f"{path} cannot be read: {failure.strerror}")


def _check_dates(certificate: x509.Certificate, path: Path, now_s: float) -> Iterator[Finding]:
    """Neither forbids the start: it may be the clock that is wrong, before NTP has set it."""
    begins_s = certificate.not_valid_before_utc.timestamp()
    ends_s = certificate.not_valid_after_utc.timestamp()
    day = certificate.not_valid_after_utc.date()
    if ends_s <= now_s:
        yield error_to_live_with(_CERTIFICATE, f"{path} has expired on {day}: renew it")
    elif ends_s - now_s <= min(EXPIRES_SOON_S, (ends_s - begins_s) / 3):  # some live six days
        yield warning(_CERTIFICATE, f"{path} expires on {day}: renew it")
    if begins_s > now_s:
        day = certificate.not_valid_before_utc.date()
        told = f"{path} is not valid before {day}: is the clock right?"
        yield error_to_live_with(_CERTIFICATE, told)


def check_chain(path: Path) -> Iterator[Finding]:
    """Does each certificate of the file stand before the one that signed it?"""
    octets = _read(path, _CERTIFICATE)
    if isinstance(octets, Finding):
        return
    chain = x509.load_pem_x509_certificates(octets)
    for below, above in pairwise(chain):
        if not _is_issued_by(below, above):
            yield warning(
                _CERTIFICATE,
                f"in {path}, {_called(above)} did not sign {_called(below)}, just before it:"
                " programs may find no way to an authority that they know; write the server's own,"
                " then the one that signed it, and so on",
            )


def check_trust(path: Path, authorities: Path | None = None) -> Iterator[Finding]:
    """Is there a way from the certificate to an authority that strangers know?

    authorities: PEM of those; None: of this machine.
    """
    octets = _read(path, _CERTIFICATE)
    if isinstance(octets, Finding):
        return
    try:
        chain = x509.load_pem_x509_certificates(octets)
    except ValueError:
        return
    top = chain[-1]
    if len(chain) == 1 and top.subject == top.issuer:
        yield warning(
            _CERTIFICATE,
            f"{path} is self-signed: each mail program asks its user whether to trust it; get one"
            " from an authority",
        )
    elif top.subject != top.issuer and not _is_known(top.issuer, authorities):
        yield warning(
            _CERTIFICATE,
            f"the chain in {path} ends with {_called(top)}, and this machine knows no authority"
            f" {top.issuer.rfc4514_string()}: append the certificates in between (certbot's"
            " fullchain.pem), unless all programs know that authority",
        )


def _is_known(issuer: x509.Name, authorities: Path | None) -> bool:
    """True also where no list can be read: nothing is known against it then."""
    place = authorities or ssl.get_default_verify_paths().cafile
    try:
        with warnings.catch_warnings():  # of old authorities' numbers: nobody here can mend them
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            known = x509.load_pem_x509_certificates(Path(place or "").read_bytes())
    except (OSError, ValueError):
        return True
    return any(one.subject == issuer for one in known)


def _is_issued_by(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _called(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"


def _names_to_bear(settings: Settings) -> list[str]:
    """Behind a reverse proxy, the name of the web is in the proxy's own certificate."""
    web = urlsplit(settings.web.url).hostname if settings.web.https else None
    return list(dict.fromkeys(filter(None, (settings.service.hostname, web))))


def _check_name(certificate: x509.Certificate, hostname: str) -> Iterator[Finding]:
    names = _names(certificate)
    folded = fold_domain(hostname)
    if folded not in names and f"*.{folded.partition('.')[2]}" not in names:
        shown = ", ".join(sorted(names)) or "no name"
        yield warning(_CERTIFICATE, f"is for {shown}, not for {hostname}: programs will complain")


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return {fold_domain(name) for name in extension.value.get_values_for_type(x509.DNSName)}


def _check_mode(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        yield error(_KEY, f"{path} can be read by everybody (mode {mode:o}): chmod 600 it")


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
