"""Verifiers of a NUMEN: quick ones for imports, slow ones soon after.

    $numen-hmac-sha256$<key name>$<64 hexadecimal digits>      an import's: never waits
    $numen-argon2$<key name>$argon2id$v=19$...                 argon2id over those digits

The quick one can be tried a million times a second by who has the store and the
key file; with the store alone, neither can be tried at all.  The keeper
replaces the quick ones, and so does the first sign-in.
"""

from __future__ import annotations

import hmac

from mailserver.auth.numen_key import NumenKey, NumenKeyMissing
from mailserver.values.numen import parse_numen

QUICK = "$numen-hmac-sha256$"
SLOW = "$numen-argon2$"


def numen_verifier(numen: str, key: NumenKey) -> str:
    """The quick verifier, microseconds; for imports.

    Raises:
        BadNumen: it is not one; the text says what is wrong.
    """
    return f"{QUICK}{key.name}${key.digest_numen(parse_numen(numen))}"


def is_numen_verifier(verifier: str) -> bool:
    return verifier.startswith((QUICK, SLOW))


def split(verifier: str, key: NumenKey | None) -> tuple[bool, str, NumenKey]:
    """(is it a quick one?, digits or argon2's text, the key that made it).

    Raises:
        NumenKeyMissing: the key is not there, or is another one.
    """
    is_quick = verifier.startswith(QUICK)
    name, _, rest = verifier.removeprefix(QUICK if is_quick else SLOW).partition("$")
    if key is None:
        raise NumenKeyMissing("the key for NUMENs is missing: no NUMEN can be checked")
    if key.name != name:
        raise NumenKeyMissing(f"the key for NUMENs is another one ({key.name}, not {name})")
    return is_quick, rest if is_quick else f"${rest}", key


def slow_form(key_name: str, argon2: str) -> str:
    """argon2: its text, which begins with a dollar."""
    return f"{SLOW}{key_name}{argon2}"


def is_same(digits: str, others: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(digits, others)
