"""The key file under which NUMENs and recovery codes are digested.

32 random octets in hexadecimal, mode 600, beside the settings: neither in the
store nor in its backups, so who steals one of them learns nothing from the
digests.  Keep a copy of it apart: without it no NUMEN fits any more, and people
who never changed theirs need another first password.

Each use has its own key, derived under a label.  The key's name, eight digits,
stands in every verifier, so that another key is noticed instead of denying
everybody.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mailserver.keys.files import read_key
from mailserver.keys.making import PRIVATE_MODE, publish_new
from mailserver.texts.plurals import counted
from mailserver.values.secret import Secret

KEY_OCTETS = 32
_NAME_OCTETS = 4
_PUT_BACK = "put back the copy that you keep apart"


class NumenKeyMissing(Exception):
    """The key file is not there, not readable, or not the one that made a verifier."""


class NumenKey:
    """Read once per process; hides itself."""

    __slots__ = ("_codes", "_numens", "_sources", "name")

    def __init__(self, secret: Secret[bytes]) -> None:
        self.name = _derived(secret, b"name")[:_NAME_OCTETS].hex()
        self._numens = Secret(_derived(secret, b"numen"))
        self._codes = Secret(_derived(secret, b"recovery code"))
        self._sources = Secret(_derived(secret, b"source key"))

    def digest_numen(self, numen: str) -> str:
        """HMAC-SHA-256, hexadecimal.  numen: in its one form."""
        return _digest(self._numens, numen.encode("ascii")).hex()

    def digest_code(self, code: str) -> bytes:
        return _digest(self._codes, code.encode("ascii"))

    def digest_source(self, numen: str) -> str:
        """By which an import knows a person again, where it has no id of its own."""
        return _digest(self._sources, numen.encode("ascii")).hex()


def load_key(path: Path) -> NumenKey:
    """
    Raises:
        NumenKeyMissing: the text says what to do.
    """
    try:
        octets = bytes.fromhex(read_key(path).decode("ascii"))
    except PermissionError as error:
        raise NumenKeyMissing(f"{path}: not readable for user {os.geteuid()}") from error
    except (OSError, ValueError) as error:
        raise NumenKeyMissing(f"{path}: no key for NUMENs there: {_PUT_BACK}") from error
    if len(octets) != KEY_OCTETS:
        raise NumenKeyMissing(f"{path}: a key has {KEY_OCTETS} octets in hexadecimal")
    return NumenKey(Secret(octets))


def ensure_key(path: Path) -> NumenKey:
    """The key, made if there is none; whoever comes first makes it.

    Raises:
        NumenKeyMissing: what is there is no key.
        OSError: the folder cannot be written.
    """
    if not path.exists():
        text = secrets.token_hex(KEY_OCTETS) + "\n"
        with suppress(FileExistsError):
            publish_new(path, text.encode("ascii"), mode=PRIVATE_MODE)
    return load_key(path)


class KeepsNumens(Protocol):
    def has_numens(self) -> bool: ...

    def count_numen_passwords(self) -> dict[str, int]: ...


def lost_key_warning(path: Path, store: KeepsNumens) -> str | None:
    """What it means that the key is lost, and what to do; None: it is there, or nobody needs it."""
    if not store.has_numens():
        return None
    counts = store.count_numen_passwords()
    try:
        counts.pop(load_key(path).name, None)
    except NumenKeyMissing as error:
        why, else_do = str(error), "`mailserver password new-key`"
    else:
        if not counts:
            return None
        why = f"{path}: not the key of the NUMENs that are kept: {_PUT_BACK}"
        else_do = "`mailserver password reset` gives another first password"
    count = sum(counts.values())
    return (
        f"{why}, and restart. Without it {counted(count, 'account')} that never chose a password"
        " cannot sign in, and no NUMEN and no code of before gets anybody back in; chosen passwords"
        f" go on. If there is no copy, {else_do}"
    )


def open_key(path: Path, store: KeepsNumens) -> NumenKey:
    """The key; made only where no NUMEN was ever kept under the one that is not there.

    Raises:
        NumenKeyMissing: it is lost, or what is there is no key.
    """
    return load_key(path) if store.has_numens() else ensure_key(path)


def _derived(secret: Secret[bytes], label: bytes) -> bytes:
    return hmac.digest(secret.reveal(), b"mel-ouvert " + label, hashlib.sha256)


def _digest(key: Secret[bytes], message: bytes) -> bytes:
    return hmac.digest(key.reveal(), message, hashlib.sha256)
