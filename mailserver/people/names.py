"""Identifiers and personal addresses: `jmarot`, `jean-pierre.marot`.

    identifier  first letter of the first name, the words of the surname joined
    address     words of the first name, a dot, words of the surname; words joined by hyphens

A homonym gets the next digit that was never given: `jmarot2`, `jean.marot2`.
The first one has none.  Digits are never given again (see `homonym` in the store).
"""

from __future__ import annotations

from typing import Final

from mailserver.values.words import BadName, split_words

MAX_IDENTIFIER_LENGTH: Final = 32
"""With its digits: many systems that take the same identifier stop here."""
MAX_LOCAL_OCTETS: Final = 64  # RFC 5321 §4.5.3.1.1
_DIGITS_ROOM = 4


def identifier_base(given_name: str, surname: str) -> str:
    """
    Raises:
        BadName: the first name or the surname holds no letter.
    """
    given, family = _both(given_name, surname)
    return (given[0][0] + "".join(family))[: MAX_IDENTIFIER_LENGTH - _DIGITS_ROOM]


def address_base(given_name: str, surname: str) -> str:
    """The part before the @, without a homonym's digit.

    Raises:
        BadName: the first name or the surname holds no letter.
    """
    given, family = _both(given_name, surname)
    local = f"{'-'.join(given)}.{'-'.join(family)}"
    return local[: MAX_LOCAL_OCTETS - _DIGITS_ROOM].rstrip("-.")


def numbered(base: str, number: int) -> str:
    """The base as the number-th homonym has it; 1 has no digit.

    A base that ends in a digit takes a hyphen first, so that no two of them meet.
    """
    if number == 1:
        return base
    return f"{base}-{number}" if base[-1].isdigit() else f"{base}{number}"


def is_numbered(name: str, base: str) -> bool:
    """Is it the base, or the base as a homonym has it?"""
    if not name.startswith(base):
        return False
    rest = name[len(base) :]
    if base[-1].isdigit():
        rest = rest.removeprefix("-") if rest else rest
        if rest == name[len(base) :]:  # without its hyphen it is another base
            return not rest
    return not rest or (rest.isdecimal() and rest.isascii() and int(rest) > 1)


def _both(given_name: str, surname: str) -> tuple[list[str], list[str]]:
    given, family = split_words(given_name), split_words(surname)
    if not given:
        raise BadName("the first name holds no letter: write it as on the person's papers")
    if not family:
        raise BadName("the surname holds no letter: write it as on the person's papers")
    return given, family
