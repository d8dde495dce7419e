"""What is wrong with an import, in words: where it stands, and what to write instead.

Invariant: no text of this room quotes a NUMEN, wherever in a file it stood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_QUOTED: Final = 40
_NUMEN_INSIDE = re.compile(
    r"(?<![0-9A-Za-z])[0-9]{2}\s*[A-Za-z]\s*(?:[0-9]\s*){7}[A-Za-z]\s*[A-Za-z]\s*[A-Za-z]"
    r"(?![0-9A-Za-z])",
    re.ASCII,
)


class BadCell(ValueError):
    """What stands in a cell cannot be used.  The text says why and what to write."""


class BadFile(ValueError):
    """A file cannot be read at all.  The text begins with its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """place: `people.csv, line 12`.  column: its header as it stands in the file, or empty.

    may_confirm: it goes in as it is where somebody says so (the column `confirmed`).
    """

    place: str
    column: str
    words: str
    may_confirm: bool = False

    def __str__(self) -> str:
        where = f"{self.place}, column {self.column}" if self.column else self.place
        return f"{where}: {self.words}"


def holds_numen(text: str) -> bool:
    """Does anything in it look like a NUMEN?"""
    return len(text) >= 13 and _NUMEN_INSIDE.search(text) is not None


def without_numen(text: str) -> str:
    """The text with whatever looks like a NUMEN taken out."""
    return _NUMEN_INSIDE.sub("", text) if len(text) >= 13 else text


def told(text: str) -> str:
    """What was typed, as an error may quote it: one short line, no NUMEN."""
    shown = repr(without_numen(" ".join(text.split())))
    return shown if len(shown) <= MAX_QUOTED else f"{shown[: MAX_QUOTED - 4]}...'"
