"""Octets of an import -> rows of text: CSV of any usual form, or JSON.

encoding    see `mailserver.values.text.written`
delimiter   `;`, `,` or tab: a first line `sep=;` says it (Excel reads and writes it), else the one
            under which the first line names most columns we know
JSON        a list of objects, or {"units": [...], "people": [...]}; the "posts" of a person,
            a list of objects, make one row each

Empty rows are passed over.  A row with too few or too many cells is kept with
`is_ragged`, so that its line can be named.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from mailserver.directory.reading.columns import RowKind, known_count
from mailserver.directory.reading.problems import BadFile, told
from mailserver.values.text.written import BadText, decode_text, plain

DELIMITERS: Final = {";": ";", ",": ",", "\t": "tab"}
MAX_FILE_OCTETS: Final = 256 * 1024 * 1024
MAX_COLUMNS: Final = 200
MIN_KNOWN: Final = 2
"""Columns that are known: so many make a line of headers."""
TITLE_LINES: Final = 10
"""Above the headers: looked through to say where they stand."""
_SEP: Final = re.compile(r'"?sep=(.)"?[ ;,\t]*(?=[\r\n]|\Z)', re.IGNORECASE)
_BLANK: Final = " \t\r\n\f\v"
_LISTS: Final = {
    "units": RowKind.UNIT, "unites": RowKind.UNIT,
    "people": RowKind.PERSON, "personnes": RowKind.PERSON,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextRow:
    """place_no: number of the line where it begins, or of the entry of a JSON list."""

    place_no: int
    cells: tuple[str, ...]
    is_ragged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """found: what was detected, in words.  kind: where the file itself says it (JSON)."""

    name: str
    found: str
    header: tuple[str, ...]
    rows: tuple[TextRow, ...]
    delimiter: str = ""  # empty: JSON
    kind: RowKind | None = None

    def place(self, row: TextRow) -> str:
        return f"{self.name}, {'line' if self.delimiter else 'entry'} {row.place_no}"


def read_tables(octets: bytes, *, name: str) -> list[Table]:
    """
    Raises:
        BadFile: not text, not JSON, or no header that is known.
    """
    if len(octets) > MAX_FILE_OCTETS:
        raise BadFile(f"{name}: larger than {MAX_FILE_OCTETS >> 20} MiB: divide it")
    try:
        text, encoding = decode_text(octets)
    except BadText as bad:
        raise BadFile(bad.told_of(name)) from None
    if not text.strip():
        raise BadFile(f"{name}: the file is empty")
    if text.lstrip()[0] in "[{":
        return _json_tables(text, encoding, name=name)
    return [_csv_table(text, encoding, name=name)]


# --- CSV -----------------------------------------------------------------------


def _csv_table(text: str, encoding: str, *, name: str) -> Table:
    said, text = _said_delimiter(text, name=name)
    delimiter, header = _find_header(text, said or "".join(DELIMITERS), name=name)
    lines = _parsed(text, delimiter, name=name)
    next(lines)
    rows = [
        _row(number, cells, len(header))
        for number, cells in lines
        if any(plain(cell).strip() for cell in cells)
    ]
    return Table(
        name=name,
        found=f"{encoding}, parted by {DELIMITERS[delimiter]}",
        header=header,
        rows=tuple(rows),
        delimiter=delimiter,
    )


def _said_delimiter(text: str, *, name: str) -> tuple[str, str]:
    """(what a first line `sep=;` says, or nothing; the text with that line made empty).

    The line stays, empty, so that the lines after it keep their numbers.
    """
    found = _SEP.match(text)
    if found is None:
        return "", text
    if found[1] not in DELIMITERS:
        raise BadFile(f"{name}, line 1: {told(found[0])}: part the cells with ; or , or a tab")
    return found[1], text[found.end() :]


def _find_header(text: str, delimiters: str, *, name: str) -> tuple[str, tuple[str, ...]]:
    best, best_count = ";", 0
    header: tuple[str, ...] = ()
    for delimiter in delimiters:
        _, cells = next(_parsed(text, delimiter, name=name), (1, []))
        count = known_count(cells)
        if count > best_count:
            best, best_count, header = delimiter, count, _header(cells, name=name)
    if best_count < MIN_KNOWN and sum(map(bool, header)) < MIN_KNOWN:
        _say_title(text, delimiters, name=name)
    if not best_count:
        raise BadFile(
            f"{name}: its first line names no column that is known: write them there,"
            " as numen;nom;prenom;uai;fonction or code;type;nom;ville"
        )
    return best, header


def _say_title(text: str, delimiters: str, *, name: str) -> None:
    """
    Raises:
        BadFile: further down stands a line of headers, so what is above it is a title.
    """
    for delimiter in delimiters:
        lines = list(islice(_parsed(text, delimiter, name=name), TITLE_LINES))
        for number, cells in lines[1:]:
            if known_count(cells) < MIN_KNOWN:
                continue
            first_no, title = lines[0]
            words = told(" ".join(filter(None, map(_stripped, title))))
            raise BadFile(
                f"{name}, line {first_no}: {words} is a title: the headers stand in line {number},"
                " so take out the lines above it"
            )


def _header(cells: Sequence[str], *, name: str) -> tuple[str, ...]:
    """Without the empty ones that spreadsheets write at the end."""
    header = [plain(one).strip() for one in cells]
    while header and not header[-1]:
        header.pop()
    if len(header) > MAX_COLUMNS:
        raise BadFile(
            f"{name}: {len(header)} columns, and {MAX_COLUMNS} is the most: keep those that"
            " say something of people or units"
        )
    return tuple(header)


def _parsed(text: str, delimiter: str, *, name: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the line where it begins, cells) of every row, the header first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins, has_begun = 1, False
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadFile(
                f"{name}, line {begins}: {error}: is a quotation mark left open?"
            ) from None
        has_begun = has_begun or any(plain(cell).strip() for cell in cells)
        if has_begun:
            yield begins, cells
        begins = reader.line_num + 1


def _row(number: int, cells: list[str], width: int) -> TextRow:
    cells = list(map(_stripped, cells))
    while len(cells) > width and not cells[-1]:
        cells.pop()  # spreadsheets write empty cells at the end of lines
    ragged = len(cells) != width
    return TextRow(number, tuple(cells[:MAX_COLUMNS]), ragged)


def _stripped(cell: str) -> str:
    """Of spaces that a keyboard has: a wider one at an end may be half of a spoilt letter."""
    return cell.strip(_BLANK)


# --- JSON ----------------------------------------------------------------------

_NO_NUMBERS: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def _json_tables(text: str, encoding: str, *, name: str) -> list[Table]:
    try:
        tree = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if str(error) in _NO_NUMBERS:
            raise BadFile(f"{name}: write null or text where {error} stands") from None
        at = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadFile(f"{name}{at}: not JSON: check commas and quotation marks there") from None
    found = f"{encoding}, JSON"
    if isinstance(tree, list):
        return [_json_table(tree, found, name=name, kind=None)]
    if not isinstance(tree, dict) or not set(tree) & set(_LISTS):
        raise BadFile(f'{name}: write a list of objects, or {{"units": [...], "people": [...]}}')
    return [
        _json_table(tree[key], found, name=name, kind=kind)
        for key, kind in _LISTS.items()
        if key in tree
    ]


def _no_number(text: str) -> None:
    """Some programs write NaN for an empty cell; it is no name."""
    raise ValueError(text)


def _json_table(entries: Any, found: str, *, name: str, kind: RowKind | None) -> Table:
    if not isinstance(entries, list):
        raise BadFile(f"{name}: write a list of objects, [{{...}}, {{...}}]")
    flat: list[tuple[int, Mapping[str, str]]] = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise BadFile(f"{name}, entry {number}: write an object, {{...}}")
        flat.extend((number, one) for one in _flattened(entry, f"{name}, entry {number}"))
    header = _header(list(dict.fromkeys(key for _, one in flat for key in one)), name=name)
    rows = (TextRow(number, tuple(one.get(key, "") for key in header)) for number, one in flat)
    return Table(name=name, found=found, header=header, rows=tuple(rows), kind=kind)


def _flattened(entry: Mapping[str, Any], place: str) -> list[dict[str, str]]:
    """One row, or one for each of its posts."""
    posts = entry.get("posts")
    rest = {key: value for key, value in entry.items() if key != "posts"}
    if not isinstance(posts, list) or not posts:
        return [_texts(rest, place)]
    if not all(isinstance(post, dict) for post in posts):
        raise BadFile(f'{place}: "posts" is a list of objects, [{{"unit": ..., "function": ...}}]')
    return [_texts({**rest, **post}, place) for post in posts]


def _texts(entry: Mapping[str, Any], place: str) -> dict[str, str]:
    return {str(key).strip(): _text(value, place) for key, value in entry.items()}


def _text(value: Any, place: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))  # spreadsheets make 12.0 of the number 12
        case str() | int() | float():
            return str(value).strip()
        case _:
            raise BadFile(f"{place}: write text, a number, true, false or null for each key")
