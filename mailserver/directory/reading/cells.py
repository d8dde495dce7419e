"""From the text of one cell to a value, or a `BadCell` that says what to write.

dates     2026-09-01, 01/09/2026 (the day first), 01.09.2026; a time after them is passed over
yes/no    oui, non, yes, no, 1, 0, x, empty
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from mailserver.directory.reading.columns import KIND_WORDS, LANGUAGE_WORDS, NO_WORDS, YES_WORDS
from mailserver.directory.reading.problems import BadCell, holds_numen, told
from mailserver.directory.reading.shields import is_shielded
from mailserver.people.spelling import name_fault
from mailserver.people.uai import BadUai, parse_uai
from mailserver.values.numen import parse_numen
from mailserver.values.text.written import plain, spoilt_words
from mailserver.values.words import search_key, split_words

MAX_TEXT: Final = 200
YEARS: Final = range(1900, 2200)
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T ].*)?", re.ASCII)
_DAY_FIRST = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})(?: .*)?", re.ASCII)
_LIKE_UAI = re.compile(r"[0-9]{7}[A-Za-z]?", re.ASCII)
_CODE = re.compile(r"[0-9a-z][0-9a-z._-]{0,31}", re.ASCII)
_CLASS = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}|", re.ASCII)
_ALIAS = re.compile(r"[0-9a-z](?:[0-9a-z_-]|\.(?=[0-9a-z])){0,59}", re.ASCII)
_KEPT_TEXT = re.compile(r'="([^"]*)"')
_UNSEEN: Final = (
    "a character here cannot be shown (a line break; is a quotation mark left open?): take it out"
)
_FORMULA_MARKS: Final = ("=", "@", " ", "'")


@dataclass(frozen=True, slots=True)
class Absence:
    """A leave: its last day; None: nobody knows."""

    last: date | None


def read_cell(text: str, parse: Callable[[str], object], *, is_numen: bool = False) -> object:
    """
    Raises:
        ValueError: the text says what to write instead, and quotes no NUMEN.
    """
    if not is_numen and holds_numen(text):
        raise BadCell("a NUMEN stands here: write it under the header numen only")
    if text.isascii() and text.isprintable() and not text.startswith(_FORMULA_MARKS):
        return parse(text.strip())  # most cells by far
    if not is_numen and (words := spoilt_words(text)) is not None:
        raise BadCell(words)
    written = plain(text).strip()
    if not written.isprintable():
        raise BadCell(_UNSEEN)
    return parse(_without_formula(written))


def _without_formula(text: str) -> str:
    """`="0170705"` is how people make Excel keep a nought; `'=` is how our own files write `=`.

    Raises:
        BadCell: it is a formula: a spreadsheet would run it, and nobody is called so.
    """
    if (found := _KEPT_TEXT.fullmatch(text)) is not None:
        return found[1].strip()
    text = text[1:] if is_shielded(text) else text
    if text.startswith(("=", "@", "\uff1d", "\uff20")):
        raise BadCell(f"begins with {text[0]}, as a formula does: write what it shows")
    return text


def parse_text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadCell(f"{len(text)} characters: write at most {MAX_TEXT}")
    return " ".join(text.split())


def parse_name(text: str) -> str:
    """Of a person: must leave a letter once folded."""
    if not split_words(text):
        fault = name_fault(text)
        raise BadCell(fault or "holds no letter: write the name as on the person's papers")
    return parse_text(text)


def parse_first_password(text: str) -> str:
    """Empty where the person is known by an id."""
    return parse_numen(text) if text else ""


@lru_cache(maxsize=8192)
def parse_code(text: str) -> str:
    """Of a unit: a UAI is checked; others are letters, digits, `.`, `_`, `-`.  Lower case."""
    typed = "".join(text.split())
    if _LIKE_UAI.fullmatch(typed):
        try:
            return parse_uai(typed).lower()
        except BadUai as error:
            raise BadCell(str(error)) from None
    code = typed.lower()
    if not _CODE.fullmatch(code):
        raise BadCell(
            f"{told(text)} is not a code: write letters, digits, dots or hyphens, at most 32"
        )
    return code


def parse_code_or_none(text: str) -> str:
    return parse_code(text) if text else ""


def parse_kind(text: str) -> str:
    """Empty: as it was, or as the code says."""
    key = search_key(text)
    if not key:
        return ""
    for kind, words in KIND_WORDS.items():
        if key in words:
            return kind
    raise BadCell(f"{told(text)} is no kind of unit: write one of {', '.join(KIND_WORDS)}")


def parse_bool(text: str) -> bool:
    key = search_key(text)
    if key in YES_WORDS:
        return True
    if key in NO_WORDS:
        return False
    raise BadCell(f"{told(text)}: write oui or non")


def parse_language(text: str) -> str:
    found = LANGUAGE_WORDS.get(search_key(text))
    if found is None:
        raise BadCell(f"{told(text)} is no language of the service: write fr or en")
    return found


def parse_class(text: str) -> str:
    name = text.lower()
    if not _CLASS.fullmatch(name):
        raise BadCell(f"{told(text)}: write the name of a class, in letters and digits")
    return name


def parse_alias(text: str) -> str:
    """The local part alone, or a whole address whose domain the caller compares."""
    local, at, domain = text.lower().partition("@")
    if text and not _ALIAS.fullmatch(local):
        raise BadCell(
            f"{told(text)} is not an alias: write letters, digits, dots and hyphens,"
            " as e-julesferry-saintes"
        )
    return f"{local}{at}{domain}"


@lru_cache(maxsize=4096)
def parse_day(text: str) -> date | None:
    """None: empty."""
    if not text:
        return None
    found = _ISO.fullmatch(text)
    if found:
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year = int(found[1]), int(found[2]), int(found[3])
    else:
        raise BadCell(f"{told(text)} is not a date: write one, as 2026-09-01 or 01/09/2026")
    try:
        if year in YEARS:
            return date(year, month, day)
    except ValueError:
        pass
    raise BadCell(f"{told(text)} is no day of the calendar: write one, as 01/09/2026")


def parse_leave(text: str) -> Absence | None:
    """The last day of a leave, or yes where it is not known."""
    if not text or search_key(text) in NO_WORDS:
        return None
    if search_key(text) in YES_WORDS:
        return Absence(None)
    day = parse_day(text)
    assert day is not None, "the text is not empty"
    return Absence(day)
