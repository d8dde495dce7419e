"""From the octets of files to a plan: read, decide, order.

Pure but for what it asks of `KeptDocuments`.  The same files against the same store
make the same plan, at the same `now_s`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailserver.directory.deciding.facts import ImportFacts
from mailserver.directory.deciding.naming import NameGiver
from mailserver.directory.deciding.people import Identities, PeopleDecided, decide_people
from mailserver.directory.deciding.plan import ImportPlan, RefusedRow
from mailserver.directory.deciding.units import UnitsDecided, decide_units
from mailserver.directory.imports import KeptDocuments
from mailserver.directory.reading.columns import RowKind
from mailserver.directory.reading.rows import BadRow, PersonRow, Row, TableReader, UnitRow
from mailserver.directory.reading.tables import Table, read_tables
from mailserver.texts.plurals import counted

_SHOWN_HEADERS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What stood in the files.  found: two sentences for each table."""

    tables: tuple[Table, ...]
    rows: tuple[Row, ...]
    kinds: frozenset[RowKind]
    found: tuple[str, ...]
    readers: tuple[TableReader, ...]


def read_files(files: Sequence[tuple[str, bytes]]) -> Read:
    """files: (name for people to read, octets).

    Raises:
        BadFile: one of them cannot be read at all; the text says which and why.
    """
    tables = [table for name, octets in files for table in read_tables(octets, name=name)]
    readers = [TableReader(table, number) for number, table in enumerate(tables)]
    return Read(
        tables=tuple(tables),
        rows=tuple(row for reader in readers for row in reader.read()),
        kinds=frozenset(kind for reader in readers for kind in reader.kinds),
        found=tuple(
            line
            for table, reader in zip(tables, readers, strict=True)
            for line in (_found(table, reader), _columns(table, reader))
        ),
        readers=tuple(readers),
    )


def decide(read: Read, kept: KeptDocuments, facts: ImportFacts) -> ImportPlan:
    """Units first: people may have posts in those that this plan makes."""
    names = NameGiver(kept, domain=facts.domain, now_s=facts.now_s)
    bad = [row for row in read.rows if isinstance(row, BadRow)]
    units = _units(read, bad, kept, names, facts)
    people = _people(read, bad, kept, names, facts, unit_codes=units.wanted)
    unreadable = [RefusedRow(row.origin, row.problems) for row in bad]
    refused = sorted(
        [*unreadable, *_as_headed(read, [*units.refused, *people.refused])],
        key=lambda one: (one.origin.table_no, one.origin.row_no),
    )
    return ImportPlan(
        steps=(*units.steps, *people.steps),
        refused=tuple(refused),
        kept_units=units.kept_count,
        kept_people=people.kept_count,
        notes=(*units.notes, *people.notes, *_why_nobody_leaves(read, bad, facts)),
    )


def _as_headed(read: Read, refused: Iterable[RefusedRow]) -> list[RefusedRow]:
    """With the headers of the files in place of our names of fields."""
    return [
        RefusedRow(
            one.origin,
            tuple(
                replace(problem, column=read.readers[one.origin.table_no].header_of(problem.column))
                for problem in one.problems
            ),
        )
        for one in refused
    ]


def _units(
    read: Read, bad: Sequence[BadRow], kept: KeptDocuments, names: NameGiver, facts: ImportFacts
) -> UnitsDecided:
    rows = [row for row in read.rows if isinstance(row, UnitRow)]
    spoilt = {row.code for row in bad if row.kind is RowKind.UNIT}
    may_close = (
        facts.is_complete and RowKind.UNIT in read.kinds and _all_known(bad, RowKind.UNIT, facts)
    )
    return decide_units(rows, kept, names, facts, spoilt=spoilt, may_close=may_close)


def _people(
    read: Read,
    bad: Sequence[BadRow],
    kept: KeptDocuments,
    names: NameGiver,
    facts: ImportFacts,
    *,
    unit_codes: Iterable[str],
) -> PeopleDecided:
    return decide_people(
        [row for row in read.rows if isinstance(row, PersonRow)],
        [row for row in bad if row.kind is RowKind.PERSON],
        kept,
        names,
        facts,
        unit_codes=unit_codes,
        may_leave=facts.is_complete
        and RowKind.PERSON in read.kinds
        and _all_known(bad, RowKind.PERSON, facts),
    )


def _all_known(bad: Sequence[BadRow], kind: RowKind, facts: ImportFacts) -> bool:
    """Is it known of every bad row that is, or may be, of this kind whom it is about?"""
    identities = Identities(facts)
    for row in bad:
        if row.kind is None or (row.kind is kind and not (row.code or identities.keys(row))):
            return False
    return True


def _why_nobody_leaves(read: Read, bad: Sequence[BadRow], facts: ImportFacts) -> list[str]:
    if not facts.is_complete:
        return []
    words = {RowKind.UNIT: "no unit closes", RowKind.PERSON: "nobody leaves"}
    return [
        f"of some lines it cannot be told whom they are about, so {words[kind]} for want of a"
        " line: correct them first"
        for kind in RowKind
        if kind in read.kinds and not _all_known(bad, kind, facts)
    ]


def _found(table: Table, reader: TableReader) -> str:
    kinds = " and ".join({"unit": "units", "person": "people"}[one.value] for one in reader.kinds)
    unused = reader.unused_headers()
    more = f" and {len(unused) - _SHOWN_HEADERS} more" if len(unused) > _SHOWN_HEADERS else ""
    rest = f"; not used: {', '.join(unused[:_SHOWN_HEADERS])}{more}" if unused else ""
    return f"{table.name}: {kinds}, {counted(len(table.rows), 'row')}, {table.found}{rest}"


def _columns(table: Table, reader: TableReader) -> str:
    """Which of its columns became what: a wrong one spoils everybody at once."""
    return f"{table.name}: read as {', '.join(reader.used_headers())}"
