"""One-time codes: eight characters that can be read aloud, as `k7mf-2xqp`.

    code = 4 symbol "-" 4 symbol    ; spaces, dashes and case are ignored
    symbol = 31 letters and digits  ; without 0 o 1 i l

39 bits, of which a code that ends after five wrong tries gives one chance in
170 thousand million.  Only a digest under the key file is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SYMBOLS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH: Final = 8
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
