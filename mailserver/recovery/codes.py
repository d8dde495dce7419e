"""One-time codes: eight characters that can be read aloud, as `k7mf-2xqp`.

    code = 4 symbol "-" 4 symbol    ; spaces, dashes and case are ignored
    symbol = 31 letters and digits  ; without 0 o 1 i l

The first three symbols name the code.  Only tries that name it count, and five of
them end it: whoever does not hold it needs some 150,000 tries for that, and has
by then had one chance in five million.  Without this, five tries by a stranger
would end anybody's code.  Only digests under the key file are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mailserver.auth.numen_key import NumenKey
from mailserver.store.recovery import CODE_NAME_OCTETS

SYMBOLS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH: Final = 8
NAME_LENGTH: Final = 3
MAX_TYPED = 100


class BadCode(ValueError):
    """Not the shape of a code."""


def make_code(choose: Callable[[str], str]) -> str:
    """choose: one symbol at random (`secrets.choice`)."""
    text = "".join(choose(SYMBOLS) for _ in range(LENGTH))
    return f"{text[:4]}-{text[4:]}"


def parse_code(typed: str) -> str:
    """The one form of a code, without its dash.

    Raises:
        BadCode: it has another length or other characters.
    """
    kept = "".join(c for c in typed[:MAX_TYPED] if c not in "-–—_." and not c.isspace()).lower()
    if len(kept) != LENGTH or any(c not in SYMBOLS for c in kept):
        raise BadCode("a code is eight letters and digits, as k7mf-2xqp")
    return kept


def digest_of(code: str, key: NumenKey) -> bytes:
    """What is kept of a code: its name's digest, cut, then its own.

    Raises:
        BadCode: it has not the shape of one.
    """
    symbols = parse_code(code)
    name = key.digest_code("name " + symbols[:NAME_LENGTH])
    return name[:CODE_NAME_OCTETS] + key.digest_code(symbols)
