"""From rows of text to rows of values, each with the line it came from.

A row whose cells are not all good is a `BadRow`: its problems, and whom it is
about where that can still be told.  A NUMEN is held by `Secret`, and nothing
but `Identities` (in `people`) reveals it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from mailserver.directory.reading import cells
from mailserver.directory.reading.columns import (
    ERROR,
    RECORD,
    RECORD_WORDS,
    RowKind,
    field_of,
    header_name,
    is_named,
    kind_of,
    nearest,
)
from mailserver.directory.reading.problems import BadFile, Problem, told
from mailserver.directory.reading.tables import Table, TextRow
from mailserver.texts.plurals import counted
from mailserver.values.secret import Secret
from mailserver.values.words import search_key

Parser = Callable[[str], object]
UNIT_PARSERS: Final[Mapping[str, Parser]] = {
    "code": cells.parse_code,
    "kind": cells.parse_kind,
    "nature": cells.parse_text,
    "parent": cells.parse_code_or_none,
    "name": cells.parse_text,
    "street": cells.parse_text,
    "postcode": cells.parse_text,
    "town": cells.parse_text,
    "telephone": cells.parse_text,
    "web_site": cells.parse_text,
    "alias": cells.parse_alias,
    "hidden": cells.parse_bool,
    "closed": cells.parse_bool,
}
PERSON_PARSERS: Final[Mapping[str, Parser]] = {
    "numen": cells.parse_first_password,
    "id": cells.parse_text,
    "given_name": cells.parse_name,
    "surname": cells.parse_name,
    "unit": cells.parse_code_or_none,
    "function": cells.parse_text,
    "subject": cells.parse_text,
    "arrival": cells.parse_day,
    "departure": cells.parse_day,
    "leave": cells.parse_leave,
    "retirement": cells.parse_day,
    "telephone": cells.parse_text,
    "hidden": cells.parse_bool,
    "class_name": cells.parse_class,
    "language": cells.parse_language,
    "correspondent": cells.parse_bool,
    "confirmed": cells.parse_bool,
}
_PARSERS: Final = {RowKind.UNIT: UNIT_PARSERS, RowKind.PERSON: PERSON_PARSERS}
_NEEDED: Final = {
    RowKind.UNIT: ("code", "name"),
    RowKind.PERSON: ("given_name", "surname"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row stands: its table among those that were read, and its index there."""

    table_no: int
    row_no: int
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """values: by field; a field without a column is not in it."""

    origin: Origin
    code: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    origin: Origin
    numen: Secret[str] | None
    import_id: str
    given_name: str
    surname: str
    arrival: date | None
    departure: date | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """numen, import_id, code: whom it is about, where those cells were good."""

    origin: Origin
    kind: RowKind | None
    problems: tuple[Problem, ...]
    numen: Secret[str] | None = None
    import_id: str = ""
    code: str = ""


Row = UnitRow | PersonRow | BadRow


@dataclass(frozen=True, slots=True)
class Column:
    index: int
    header: str
    field: str
    parse: Parser


class TableReader:
    """Reads the rows of one table.

    Raises:
        BadFile: the header lacks a column that every row needs, or has one twice.
    """

    def __init__(self, table: Table, table_no: int) -> None:
        self._table, self._table_no = table, table_no
        self._record = _index_of(table.header, RECORD)
        kind = table.kind or kind_of(table.header)
        if kind is None and self._record is None:
            raise BadFile(f"{table.name}: no header says a person or a unit, as numen or kind")
        self._kind = kind
        kinds = [kind] if self._record is None and kind is not None else list(RowKind)
        self._columns = {one: _columns(table, one) for one in kinds}

    @property
    def kinds(self) -> Sequence[RowKind]:
        """Which rows may stand in it."""
        return list(self._columns)

    def header_of(self, field: str) -> str:
        """The header of a field as it stands in the file; the field's name where it has none."""
        columns = (one for columns in self._columns.values() for one in columns)
        return next((one.header for one in columns if one.field == field), field)

    def used_headers(self) -> list[str]:
        """In words, in the order of the file: `'nom' = surname`."""
        meant: dict[int, list[str]] = {}
        for kind, columns in self._columns.items():
            of = f" of a {kind.value}" if len(self._columns) > 1 else ""
            for one in columns:
                meant.setdefault(one.index, []).append(header_name(one.field, kind) + of)
        header = self._table.header
        return [f"{told(header[index])} = {' or '.join(meant[index])}" for index in sorted(meant)]

    def unused_headers(self) -> list[str]:
        """In words, with what was perhaps meant, or what is read in its place."""
        used = {column.index for columns in self._columns.values() for column in columns}
        return [
            self._unused(header)
            for index, header in enumerate(self._table.header)
            if index not in used and index != self._record and not is_named(header, ERROR)
        ]

    def _unused(self, header: str) -> str:
        kind = next(iter(self._columns))
        field = field_of(header, kind)
        if field is not None:
            return f"{told(header)} (read is {told(self.header_of(field))})"
        meant = nearest(header, kind)
        return f"{told(header)} (perhaps {meant}?)" if meant else told(header)

    def read(self) -> list[Row]:
        return [self._row(number, row) for number, row in enumerate(self._table.rows)]

    def _row(self, number: int, row: TextRow) -> Row:
        origin = Origin(self._table_no, number, self._table.place(row))
        if row.is_ragged:
            cells_words = counted(len(row.cells), "cell")
            words = f"{cells_words} under {counted(len(self._table.header), 'header')}"
            return _bad(origin, None, "", f"{words}: is a quotation mark missing?")
        kind = self._kind
        if self._record is not None:
            kind = RECORD_WORDS.get(search_key(row.cells[self._record]))
        if kind is None:
            return _bad(origin, None, RECORD[0], "write unit or person")
        return self._of_kind(origin, kind, row)

    def _of_kind(self, origin: Origin, kind: RowKind, row: TextRow) -> Row:
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for column in self._columns[kind]:
            text = row.cells[column.index]
            try:
                is_numen = column.field == "numen"
                values[column.field] = cells.read_cell(text, column.parse, is_numen=is_numen)
            except ValueError as error:
                problems.append(_problem(origin, column.header, str(error)))
        if not problems and (missing := _missing(kind, values)) is not None:
            field, words = missing
            problems = [_problem(origin, self.header_of(field), words)]
        made = _bad_row if problems else _unit_row if kind is RowKind.UNIT else _person_row
        return made(origin, kind, values, tuple(problems))


def _columns(table: Table, kind: RowKind) -> list[Column]:
    """The first column of each field.

    Raises:
        BadFile: one that is needed is missing, or one is there twice.
    """
    found: dict[str, Column] = {}
    for index, header in enumerate(table.header):
        field = field_of(header, kind)
        if field is None:
            continue
        first = found.setdefault(field, Column(index, header, field, _PARSERS[kind][field]))
        if first.index != index and search_key(first.header) == search_key(header):
            raise BadFile(f"{table.name}: two columns are called {told(header)}: take one out")
    missing = [header_name(one, kind) for one in _NEEDED[kind] if one not in found]
    if kind is RowKind.PERSON and not {"numen", "id"} & set(found):
        missing.append("numen or id")
    if missing:
        raise BadFile(f"{table.name}: no column {', '.join(missing)}: add it to the first line")
    return list(found.values())


def _index_of(header: Sequence[str], words: Sequence[str]) -> int | None:
    return next((index for index, one in enumerate(header) if is_named(one, words)), None)


def _problem(origin: Origin, column: str, words: str) -> Problem:
    return Problem(place=origin.place, column=column, words=words)


def _bad(origin: Origin, kind: RowKind | None, column: str, words: str) -> BadRow:
    return BadRow(origin=origin, kind=kind, problems=(_problem(origin, column, words),))


def _missing(kind: RowKind, values: Mapping[str, Any]) -> tuple[str, str] | None:
    """(the field, what to write there), of cells that are good and empty."""
    if kind is RowKind.UNIT:
        return None if values["name"] else ("name", "is empty: write the name of the unit")
    if values.get("numen") or values.get("id"):
        return None
    field = "numen" if "numen" in values else "id"
    return field, "is empty, and nothing else says who it is: write numen or id"


def _bad_row(
    origin: Origin, kind: RowKind, values: Mapping[str, Any], problems: tuple[Problem, ...]
) -> Row:
    return BadRow(
        origin=origin,
        kind=kind,
        problems=problems,
        numen=_numen(values),
        import_id=values.get("id", ""),
        code=values.get("code", ""),
    )


def _unit_row(
    origin: Origin, _kind: RowKind, values: Mapping[str, Any], _none: tuple[Problem, ...]
) -> Row:
    return UnitRow(origin=origin, code=values["code"], values=values)


def _person_row(
    origin: Origin, _kind: RowKind, values: dict[str, Any], _none: tuple[Problem, ...]
) -> Row:
    numen = _numen(values)
    values.pop("numen", None)
    return PersonRow(
        origin=origin,
        numen=numen,
        import_id=values.get("id", ""),
        given_name=values["given_name"],
        surname=values["surname"],
        arrival=values.get("arrival"),
        departure=values.get("departure"),
        values=values,
    )


def _numen(values: Mapping[str, Any]) -> Secret[str] | None:
    numen = values.get("numen")
    return Secret(numen) if numen else None
