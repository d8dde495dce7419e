"""Passwords as octets from the wire, and their verifiers.

A password is any text.  Programs send it as UTF-8, old ones as Latin-1
(Thunderbird does, unless told otherwise), so octets that are not UTF-8 are
read as Latin-1.  Both are brought to Unicode form C before hashing (RFC 8265
§4.2), so that an accent typed on any keyboard is the same password.
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import Final

from passlib.context import CryptContext

from mailserver.auth import numens
from mailserver.auth.numen_key import NumenKey
from mailserver.values.numen import BadNumen, parse_numen
from mailserver.values.secret import Secret
from mailserver.values.text.printed import read_one_time

CONTEXT: Final = CryptContext(
    schemes=["argon2"],
    argon2__type="ID",
    argon2__time_cost=2,
    argon2__memory_cost=19_456,  # KiB; the OWASP profile, about 50 ms here
    argon2__parallelism=1,
)
MAX_PASSWORD_OCTETS = 1024
_DIGEST_OCTETS: Final = 32


def stand_in(context: CryptContext) -> str:
    """A verifier that no password is known to fit: its digest was drawn, nothing was hashed.

    So the first name that nobody has costs a process no more than the second.
    """
    drawn = secrets.token_bytes(_DIGEST_OCTETS)
    verifier: str = context.handler()(use_defaults=True, checksum=drawn).to_string()
    return verifier


_NOBODY: Final = stand_in(CONTEXT)


def hash_password(password: Secret[str]) -> str:
    """The verifier to store.  Takes tens of milliseconds; releases the interpreter lock."""
    verifier: str = CONTEXT.hash(unicodedata.normalize("NFC", password.reveal()))
    return verifier


def password_text(octets: bytes) -> str:
    """What the person typed, in form C."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return unicodedata.normalize("NFC", text)


def candidates(octets: bytes) -> list[str]:
    """The texts that these octets may stand for: as typed, and as what is printed in its one form.

    A NUMEN and a printed one-time password are copied from paper, so their
    spaces and case do not matter; the price is one more hash for what looks like one.
    """
    text = password_text(octets)
    printed = read_one_time(text)
    if printed is None:
        try:
            printed = parse_numen(text)
        except BadNumen:
            return [text]
    return [text] if printed == text else [text, printed]


def hash_numen(numen: str, key: NumenKey) -> str:
    """argon2id over the keyed digest.  numen: in its one form."""
    return slow_numen(key.digest_numen(numen), key.name)


def slow_numen(digits: str, key_name: str) -> str:
    """The slow verifier of a keyed digest.  Takes tens of milliseconds."""
    return numens.slow_form(key_name, CONTEXT.hash(digits))


def verify(octets: bytes, verifier: str, key: NumenKey | None = None) -> tuple[bool, str | None]:
    """(is it right?, a new verifier if the stored one should be replaced).

    Raises:
        NumenKeyMissing: it is a NUMEN's verifier, and its key is not there.
    """
    if numens.is_numen_verifier(verifier):
        return _verify_numen(octets, verifier, key)
    for text in candidates(octets):
        is_right, better = CONTEXT.verify_and_update(text, verifier)
        if is_right:
            return True, better
    return False, None


def _verify_numen(octets: bytes, verifier: str, key: NumenKey | None) -> tuple[bool, str | None]:
    """Each candidate costs one hash, as in `verify`."""
    is_quick, kept, key = numens.split(verifier, key)
    for text in candidates(octets):
        digits = _numen_digits(text, key)
        if is_quick and numens.is_same(digits, kept):
            return True, slow_numen(digits, key.name)
        is_right, better = CONTEXT.verify_and_update(digits, _NOBODY if is_quick else kept)
        if is_right:
            return True, better and numens.slow_form(key.name, better)
    return False, None


def _numen_digits(text: str, key: NumenKey) -> str:
    try:
        return key.digest_numen(parse_numen(text))
    except BadNumen:
        return ""


def verify_nobody(octets: bytes) -> None:
    """The same work as `verify` of a wrong password, for a name that nobody has."""
    for text in candidates(octets):
        CONTEXT.verify(text, _NOBODY)
