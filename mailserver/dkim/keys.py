"""The keys that sign: made, read from their files, and what the DNS says of them.

    <folder>/<selector>.pem   PKCS #8, not encrypted, mode 600

RSA of 2048 bits (RFC 8301 §3.2) or Ed25519 (RFC 8463 §3).  The public half is
published as `<selector>._domainkey.<domain> TXT "v=DKIM1; ..."` (RFC 6376 §3.6).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mailserver.keys.files import read_key

RSA_BITS: Final = 2048
_RSA_EXPONENT: Final = 65537
_MIN_RSA_BITS: Final = 1024  # RFC 8301 §3.2: verifiers take no less
_SELECTOR: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class Algorithm(Enum):
    """The `a=` tag, and what the record's `k=` calls it."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


class BadKey(ValueError):
    """A file that holds no key that can sign; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key and the selector under which its public half is published."""

    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        return Algorithm.RSA if isinstance(self.key, RSAPrivateKey) else Algorithm.ED25519

    def sign(self, octets: bytes) -> bytes:
        match self.key:
            case RSAPrivateKey():
                return self.key.sign(octets, PKCS1v15(), SHA256())
            case Ed25519PrivateKey():
                # RFC 8463 §3: the SHA-256 of the octets is what pure Ed25519 signs.
                return self.key.sign(hashlib.sha256(octets).digest())
            case _:
                assert_never(self.key)

    def fingerprint(self) -> float:
        """Of the public half, 48 bits, which a float holds exactly: for reports of workers."""
        return float(int.from_bytes(hashlib.sha256(self.record().encode()).digest()[:6]))

    def record(self) -> str:
        """The text of the TXT record."""
        match self.key:
            case RSAPrivateKey():
                kind = "rsa"
                public = self.key.public_key().public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                )
            case Ed25519PrivateKey():
                kind = "ed25519"
                public = self.key.public_key().public_bytes_raw()
            case _:
                assert_never(self.key)
        return f"v=DKIM1; k={kind}; p={b64encode(public).decode('ascii')}"


def make_key(algorithm: Algorithm) -> bytes:
    """A new private key, as PEM."""
    key: RSAPrivateKey | Ed25519PrivateKey
    match algorithm:
        case Algorithm.RSA:
            key = generate_private_key(_RSA_EXPONENT, RSA_BITS)
        case Algorithm.ED25519:
            key = Ed25519PrivateKey.generate()
        case _:
            assert_never(algorithm)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_file(folder: Path, selector: str) -> Path:
    return folder / f"{selector}.pem"


def check_selector(selector: str) -> str:
    """One label of the DNS, which is a file's name too.

    Raises:
        ValueError: it is none.
    """
    if not _SELECTOR.fullmatch(selector):
        raise ValueError(f"{selector!r} is no selector: write letters, digits and hyphens, as mo3")
    return selector


def load_key(folder: Path, selector: str) -> SigningKey:
    """Read one key.

    Raises:
        OSError: the file cannot be read; FileNotFoundError if there is none.
        BadKey: it holds nothing that can sign.
    """
    path = key_file(folder, selector)
    try:
        key = load_pem_private_key(read_key(path), password=None)
    except TypeError:
        raise BadKey(f"{path} is encrypted: write it without a pass phrase, mode 600") from None
    except ValueError:
        raise BadKey(f"{path} holds no PEM private key") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise BadKey(f"{path} is neither RSA nor Ed25519: DKIM has no other")
    if isinstance(key, RSAPrivateKey) and key.key_size < _MIN_RSA_BITS:
        raise BadKey(f"{path} has {key.key_size} bits: verifiers want {_MIN_RSA_BITS} or more")
    return SigningKey(selector=selector, key=key)
