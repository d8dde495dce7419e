"""Certificates that a service makes for itself: self-signed, or from a throw-away authority.

ECDSA on P-256 (RFC 8422).  Private keys are written once, mode 600, and never
over an existing file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailserver.keys.making import PRIVATE_MODE, PUBLIC_MODE, publish_new
from mailserver.setup.files import make_folder

VALID_DAYS = 825  # the longest that current systems take from an authority of one's own
_BACKDATED = timedelta(hours=1)  # clocks differ
_COMMON_NAME_LENGTH = 64  # RFC 5280 Appendix A, ub-common-name


ServerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class BadServerKey(Exception):
    """A file that is no key for a certificate of ours; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority whose key lives as long as this object."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM of a certificate and of its key."""

    certificate_pem: bytes
    key_pem: bytes

    def write(self, certificate: Path, key: Path) -> None:
        """Both files, the key first, readable by its owner only.

        Raises:
            OSError: FileExistsError for a key that is there already.
        """
        for path in (certificate, key):
            make_folder(path.parent)
        publish_new(key, self.key_pem, mode=PRIVATE_MODE)
        self.write_certificate(certificate)

    def write_certificate(self, certificate: Path) -> None:
        """Alone, where the key is there already; one that is there is replaced."""
        make_folder(certificate.parent)
        certificate.unlink(missing_ok=True)
        publish_new(certificate, self.certificate_pem, mode=PUBLIC_MODE)


def make_authority(name: str, *, now: datetime | None = None) -> Authority:
    """An authority that signs servers only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    certificate = (
        _builder(subject, subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def issue(
    names: Iterable[str],
    *,
    authority: Authority | None = None,
    now: datetime | None = None,
    key: ServerKey | None = None,
) -> Issued:
    """A server certificate for host names and IP addresses, self-signed without an authority.

    key: whose certificate it is; None: a new one's.
    """
    wanted = list(dict.fromkeys(names))
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = _name(wanted[0])
    issuer = authority.certificate.subject if authority else subject
    issuer_key = authority.key if authority else key
    certificate = (
        _builder(subject, issuer, key.public_key(), now)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in wanted]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # RFC 5280 §4.2.1.1; Python 3.13 and others refuse a chain without it.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return Issued(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def read_server_key(path: Path) -> ServerKey:
    """
    Raises:
        BadServerKey: no RSA or EC key in PEM without pass phrase stands there.
        OSError: it cannot be read.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise BadServerKey(
            f"{path} is no private key that a certificate can be made for, and there is none beside"
            " it: remove it, or put both there"
        )
    return key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: datetime | None,
) -> x509.CertificateBuilder:
    begins = (now or datetime.now(UTC)) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_COMMON_NAME_LENGTH])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
