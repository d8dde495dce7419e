"""Codes of establishments (UAI, once RNE): seven digits and a key letter, as 0170705Z.

    key = letters[number modulo 23], letters = A to Z without I, O and Q

With or without its letter, and in any case, a code is one establishment:
`ce.0170705z@` and `ce.0170705@` are one mailbox, and so are all of these as user names.
"""

from __future__ import annotations

import re
from typing import Final

KEY_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"
_UAI = re.compile(r"([0-9]{7})([A-Z])?", re.ASCII)
DIGIT_COUNT: Final = 7
_LOOKS_LIKE = re.compile(r"[0-9OQILSB]{5,7}", re.ASCII)  # two noughts in front: 0010016W
_AS_DIGITS = str.maketrans("OQILSB", "001158")
_NAME = re.compile(r"(?:CE\.)?([0-9]{7}[A-Z]?)", re.ASCII | re.IGNORECASE)


class BadUai(ValueError):
    """Not a code of an establishment.  The text says what is wrong and what would be right."""


def key_letter(digits: str) -> str:
    """The letter that belongs to seven digits."""
    return KEY_LETTERS[int(digits) % len(KEY_LETTERS)]


def parse_uai(text: str) -> str:
    """The code in capitals with its letter, whether that was typed or not.

    Raises:
        BadUai: wrong shape, or a letter that does not belong to the digits.
    """
    typed = "".join(text.split()).upper()
    found = _UAI.fullmatch(typed)
    if found is None:
        raise BadUai(f"{text.strip()!r} is not a UAI code: write 7 digits and a letter, 0170705Z")
    digits, letter = found[1], found[2]
    right = key_letter(digits)
    if letter is not None and letter != right:
        raise BadUai(
            f"{typed} is not a UAI code: the letter of {digits} is {right}, so {digits}{right},"
            " unless a digit is wrong"
        )
    return digits + right


def find_lookalike(typed: str) -> str | None:
    """The code that was perhaps meant, in lower case: a lost nought, O for 0, l for 1.

    Where a letter was typed it must be the right one; without a letter, nothing but the
    directory can tell whether the guess is good.  None: it looks like none.
    """
    bare = re.sub(r"[\s.\-_/]", "", typed).upper().removeprefix("CE")
    readings = [(bare, "")]
    if bare[-1:].isalpha():
        readings.insert(0, (bare[:-1], bare[-1]))
    for digits, letter in readings:
        if _LOOKS_LIKE.fullmatch(digits) is None:
            continue
        number = digits.translate(_AS_DIGITS).zfill(DIGIT_COUNT)
        if not letter or key_letter(number) == letter:
            return f"{number}{key_letter(number)}".lower()
    return None


def has_letter(typed: str) -> bool:
    """Does the key letter stand behind it?  Then it proves a guess."""
    return typed[-1:].isalpha()


def official_locals(uai: str) -> tuple[str, str]:
    """The local parts that reach an establishment: with its letter (the one shown), and without."""
    code = uai.lower()
    return f"ce.{code}", f"ce.{code[:-1]}"


def find_code(name: str) -> str | None:
    """The code that a local part or a user name is, in lower case with its letter.

    name: as `ce.0170705z`, `CE.0170705`, `0170705Z` or `0170705`.

    Raises:
        BadUai: the letter does not belong to the digits.
    """
    found = _NAME.fullmatch(name)
    return None if found is None else parse_uai(found[1]).lower()
