"""Are the keys there that sign what leaves?  Never an error: mail leaves without them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailserver.settings.check.finding import Finding, warning
from mailserver.settings.model import DkimSettings

_FOLDER = "dkim.folder"
_UNSIGNED = "mail leaves without this signature, and others may take it for junk"


def check_dkim(settings: DkimSettings) -> Iterator[Finding]:
    """Each key: readable, by its owner only, of a kind that DKIM has."""
    if not settings.enabled:
        return
    for selector in settings.selectors:
        yield from _check_key(settings.folder / f"{selector}.pem")


def _check_key(path: Path) -> Iterator[Finding]:
    try:
        octets, mode = path.read_bytes(), path.stat().st_mode
    except FileNotFoundError:
        yield warning(
            _FOLDER, f"{path} does not exist: {_UNSIGNED}; `mailserver dkim keys` makes it"
        )
        return
    except OSError as failure:
        yield warning(_FOLDER, f"{path} cannot be read: {failure.strerror}: {_UNSIGNED}")
        return
    if not _can_sign(octets):
        yield warning(
            _FOLDER, f"{path} is no RSA or Ed25519 key in PEM without pass phrase: {_UNSIGNED}"
        )
    if stat.S_IMODE(mode) & 0o077:
        yield warning(_FOLDER, f"{path} can be read by others: chmod 600 {path}")


def _can_sign(octets: bytes) -> bool:
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError):
        return False
    return isinstance(key, RSAPrivateKey | Ed25519PrivateKey)
