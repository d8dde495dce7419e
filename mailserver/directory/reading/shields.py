"""Cells of files that we write, so that no spreadsheet takes one for a formula.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a line's end is run by spreadsheets
when the file is opened: names come from strangers.  An apostrophe in front makes it
text; our reader takes it away again, so that a corrected file says what it said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

FORMULA_SIGNS: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)
"""The last four: their full-width forms, which spreadsheets take as well."""
SHIELD: Final = "'"


def shielded(cell: str) -> str:
    return SHIELD + cell if cell.startswith(FORMULA_SIGNS) else cell


def is_shielded(cell: str) -> bool:
    return cell[:1] == SHIELD and cell[1:].startswith(FORMULA_SIGNS)


def shielded_row(cells: Sequence[str]) -> list[str]:
    return list(map(shielded, cells))
