"""One-time codes: eight characters that can be read aloud, as `K7MF-2XQP`.

    code = 4 symbol "-" 4 symbol    ; spaces, dashes and case are ignored
    symbol = 27 capitals and digits ; see `mailserver.values.text.printed`

The first three symbols name the code.  Only tries that name it count, and five of
them end it: whoever does not hold it needs some 100,000 tries for that, and has
by then had one chance in three million.  Without this, five tries by a stranger
would end anybody's code.  Only digests under the key file are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mailserver.auth.numen_key import NumenKey
from mailserver.store.ports.recovery import CODE_NAME_OCTETS
from mailserver.values.text.printed import as_looks, print_groups, without_dashes

SYMBOLS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""What may be typed: earlier codes had a few more letters than are printed now."""
LENGTH: Final = 8
NAME_LENGTH: Final = 3


class BadCode(ValueError):
    """Not the shape of a code."""


def make_code(choose: Callable[[str], str]) -> str:
    """choose: one symbol at random (`secrets.choice`)."""
    return print_groups(choose, groups=LENGTH // 4)


def parse_code(typed: str) -> str:
    """The one form of a code, without its dash.

    Raises:
        BadCode: it has another length or other characters.
    """
    kept = without_dashes(typed).lower()
    if len(kept) != LENGTH or any(c not in SYMBOLS for c in kept):
        raise BadCode("a code is eight letters and digits, as K7MF-2XQP")
    return kept


def readings(typed: str) -> list[str]:
    """As it was typed; then with the letters that are never printed as what they look like."""
    looks = as_looks(without_dashes(typed))
    return [typed] if looks == without_dashes(typed) else [typed, looks]


def digest_of(code: str, key: NumenKey) -> bytes:
    """What is kept of a code: its name's digest, cut, then its own.

    Raises:
        BadCode: it has not the shape of one.
    """
    symbols = parse_code(code)
    name = key.digest_code("name " + symbols[:NAME_LENGTH])
    return name[:CODE_NAME_OCTETS] + key.digest_code(symbols)
