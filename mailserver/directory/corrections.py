"""What could not go in, as files that a person corrects and imports again.

The rows keep their header and get a column `error`.  A NUMEN is not copied: its
cell is empty, and the error names the line where it stands.  No cell is a formula to the
spreadsheet that opens the file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Final

from mailserver.directory.deciding.plan import PlanStep, RefusedRow
from mailserver.directory.reading.columns import ERROR, PERSON_COLUMNS, RowKind, field_of, is_named
from mailserver.directory.reading.problems import without_numen
from mailserver.directory.reading.shields import shielded_row
from mailserver.directory.reading.tables import Table
from mailserver.store.ports.people import PersonDoc

_MARK: Final = "\ufeff"  # spreadsheets read UTF-8 by it
CONFLICT_HEADER: Final = ("subject", "name", "place", "error")


def correction_octets(table: Table, refused: Sequence[RefusedRow]) -> bytes:
    """The refused rows of one table, in the form of its file."""
    keep = [index for index, one in enumerate(table.header) if not is_named(one, ERROR)]
    asks = _asks(table, refused)
    header = [*(table.header[index] for index in keep), *asks, ERROR[0]]
    rows = [_cells(table, one, keep, asks) for one in refused]
    if table.delimiter:
        return _csv([header, *rows], table.delimiter, mark=_MARK)
    trees = [dict(zip(header, row, strict=True)) for row in rows]
    return _octets(json.dumps(trees, ensure_ascii=False, indent=1) + "\n")


def conflict_octets(conflicts: Iterable[tuple[PlanStep, str]], *, with_header: bool) -> bytes:
    """Lines of the file of what the store did not take."""
    rows = [_conflict(step, words) for step, words in conflicts]
    head = [list(CONFLICT_HEADER)] if with_header else []
    return _csv([*head, *rows], ";", mark=_MARK if with_header else "")


def _asks(table: Table, refused: Sequence[RefusedRow]) -> list[str]:
    """The column to confirm a doubtful name in, where one is asked for and there is none."""
    words = PERSON_COLUMNS["confirmed"]
    is_asked = any(problem.may_confirm for one in refused for problem in one.problems)
    has_column = any(is_named(header, words) for header in table.header)
    return [words[0]] if is_asked and not has_column else []


def _cells(
    table: Table, refused: RefusedRow, keep: Sequence[int], asks: Sequence[str]
) -> list[str]:
    row = table.rows[refused.origin.row_no].cells
    row = (*row, *("" for _ in range(len(table.header) - len(row))))
    secret = {index for index in keep if field_of(table.header[index], RowKind.PERSON) == "numen"}
    cells = ["" if index in secret else without_numen(row[index]) for index in keep]
    words = [f"{one.column}: {one.words}" if one.column else one.words for one in refused.problems]
    if any(row[index] for index in secret):
        words.append(f"its NUMEN stands in {refused.origin.place}")
    return [*cells, *("" for _ in asks), "; ".join(words)]


def _conflict(step: PlanStep, words: str) -> list[str]:
    doc = step.doc
    if isinstance(doc, PersonDoc):
        return [doc.identifier, f"{doc.given_name} {doc.surname}", ", ".join(step.places), words]
    return [doc.code, doc.name, ", ".join(step.places), words]


def _csv(rows: Iterable[Sequence[str]], delimiter: str, *, mark: str) -> bytes:
    out = io.StringIO(mark, newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows(map(shielded_row, rows))
    return _octets(out.getvalue())


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # JSON may hold half a character
