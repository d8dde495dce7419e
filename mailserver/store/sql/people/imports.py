"""Imports, changes one at a time, and the documents that they compare with.

A slice is one transaction: what it is about is read, decided in memory, and
written with a constant number of statements for each chunk (`people.slice`,
`people.decide`, `people.rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mailserver.store.documents import doc_of_text, doc_text
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.imports import ImportRun
from mailserver.store.ports.people import Change, Conflict, Doc, Life, PersonDoc, UnitDoc
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection, Engine, Reads, Row, first
from mailserver.store.sql.people.decide import decide
from mailserver.store.sql.people.documents import (
    members_by_account,
    members_by_identifier,
    members_by_source,
    nodes_by_code,
)
from mailserver.store.sql.people.rows import write
from mailserver.store.sql.people.slice import Moment, Slice
from mailserver.values.address import fold_local
from mailserver.values.calendar import Calendar

_SLICE = 500
_PERSON, _UNIT = "person", "unit"

_NEXT_PEOPLE = f"""
    SELECT account_id FROM account
    WHERE account_id > ? AND source_key IS NOT NULL AND life <> '{Life.GONE.value}'
    ORDER BY account_id LIMIT ?"""
_NEXT_UNITS = "SELECT code FROM unit WHERE code > ? AND is_gone = 0 ORDER BY code LIMIT ?"
_DUE = f"""
    SELECT account_id FROM account
    WHERE life_until_s <= ? AND life <> '{Life.GONE.value}' AND deleted_at_s IS NULL
    ORDER BY life_until_s, account_id LIMIT ?"""
_RUN = "SELECT run_id, at_s, by_whom, digest, state, done, total FROM import_run "
_UNFINISHED = _RUN + "WHERE digest = ? AND state = 'applying' ORDER BY run_id DESC LIMIT 1"
_LAST = _RUN + "WHERE state <> 'undone' ORDER BY run_id DESC LIMIT 1"
_ALL_RUNS = _RUN + "ORDER BY run_id DESC"
# Of a run that changed nothing, or whose changes were all taken back, nothing is in the way.
_LATER = (
    _RUN
    + """
    WHERE run_id > ? AND (state IN ('applying', 'undoing') OR (state = 'applied' AND EXISTS (
        SELECT 1 FROM import_change
        WHERE import_change.run_id = import_run.run_id AND undone = 0)))
    ORDER BY run_id DESC"""
)
_BEGIN_UNDO = """
    UPDATE import_run SET state = 'undoing' WHERE run_id = ? AND state <> 'undone'
    RETURNING 1"""
_BEGIN = """
    INSERT INTO import_run (at_s, by_whom, digest, state, done, total)
    VALUES (?, ?, ?, 'applying', 0, ?)
    RETURNING run_id, at_s, by_whom, digest, state, done, total"""
_PROGRESS = """
    UPDATE import_run SET done = done + ? WHERE run_id = ? AND state = 'applying'
    RETURNING done"""
_REGRESS = """
    UPDATE import_run SET done = done - ?, state = 'undoing'
    WHERE run_id = ? AND state <> 'undone' RETURNING done"""
_END = """
    UPDATE import_run SET state = CASE state WHEN 'undoing' THEN 'undone'
        WHEN 'applying' THEN 'applied' ELSE state END
    WHERE run_id = ?"""
_INSERT_CHANGES = """
    INSERT INTO import_change (run_id, number, kind, subject, before, after, undone)
    {rows:integer integer text text text text integer}"""
_CHANGES = """
    SELECT number, kind, before, after FROM import_change
    WHERE run_id = ? AND number > ? AND undone = 0 ORDER BY number LIMIT ?"""
_NUMBERED = """
    SELECT number, kind, before, after FROM import_change
    WHERE undone = 0 AND (run_id, number) IN ({rows:integer integer})"""
_MARK_UNDONE = """
    UPDATE import_change SET undone = 1 WHERE (run_id, number) IN ({rows:integer integer})"""


class SqlPeople:
    """The imports of the `People` port, and its changes one at a time."""

    def __init__(self, engine: Engine, calendar: Calendar) -> None:
        """calendar: whose days stand in what is noted and refused."""
        self._engine = engine
        self._reader = Reads(engine)
        self._calendar = calendar

    # Documents

    def read_subjects(self, kind: type[Doc]) -> Iterator[Doc]:
        return self._read_units() if kind is UnitDoc else self._read_people()

    def read_person(self, source_key: str) -> PersonDoc | None:
        found = members_by_source(self._reader, [source_key]) if source_key else []
        return found[0].doc if found else None

    def read_unit(self, code: str) -> UnitDoc | None:
        found = nodes_by_code(self._reader, [code])
        return found[0].doc if found and not found[0].is_gone else None

    def find_doc(self, identifier: str) -> PersonDoc | None:
        found = members_by_identifier(self._reader, [fold_local(identifier)])
        return found[0].doc if found and not found[0].is_gone else None

    def due_lives(self, *, now_s: float, limit: int) -> list[PersonDoc]:
        accounts = [row[0] for row in self._engine.read(_DUE, (now_s, limit))]
        return [one.doc for one in members_by_account(self._reader, accounts)]

    def _read_people(self) -> Iterator[Doc]:
        after = 0
        while rows := self._engine.read(_NEXT_PEOPLE, (after, _SLICE)):
            after = rows[-1][0]
            members = members_by_account(self._reader, [row[0] for row in rows])
            for member in sorted(members, key=lambda one: one.account_id):
                yield member.doc

    def _read_units(self) -> Iterator[Doc]:
        after = ""
        while rows := self._engine.read(_NEXT_UNITS, (after, _SLICE)):
            after = rows[-1][0]
            nodes = nodes_by_code(self._reader, [row[0] for row in rows])
            for node in sorted(nodes, key=lambda one: one.doc.code):
                yield node.doc

    # Imports

    def begin_import(self, *, by_whom: str, digest: str, total: int, now_s: float) -> ImportRun:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            row = first(connection.execute(_UNFINISHED, (digest,)))
            if row is None:
                row = first(connection.execute(_BEGIN, (now_s, by_whom, digest, total)))
            assert row is not None, "INSERT ... RETURNING gives its row"
            return _run(row)

    def apply_changes(
        self, run_id: int, changes: Sequence[Change], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        moment = self._moment(run_id, now_s=now_s, quarantine_s=quarantine_s)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            row = first(connection.execute(_PROGRESS, (len(changes), run_id)))
            if row is None:
                raise StoreUnavailable(f"import {run_id} is not being applied")
            results = _apply(connection, changes, moment)
            start = row[0] - len(changes) + 1
            rows = [
                (run_id, number, *_change_row(change))
                for number, (change, result) in enumerate(zip(changes, results, strict=True), start)
                if result is None
            ]
            insert(connection, _INSERT_CHANGES, rows)
            return results

    def end_import(self, run_id: int) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_END, (run_id,))

    def last_import(self) -> ImportRun | None:
        row = first(self._engine.read(_LAST))
        return None if row is None else _run(row)

    def list_imports(self) -> list[ImportRun]:
        return [_run(row) for row in self._engine.read(_ALL_RUNS)]

    def begin_undo(self, run_id: int) -> list[ImportRun]:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            later = [_run(row) for row in connection.execute(_LATER, (run_id,))]
            if not later and first(connection.execute(_BEGIN_UNDO, (run_id,))) is None:
                raise StoreUnavailable(f"import {run_id} is not there to be undone")
            return later

    def read_changes(self, run_id: int, *, after: int, limit: int) -> list[tuple[int, Change]]:
        rows = self._engine.read(_CHANGES, (run_id, after, limit))
        return [(row[0], _change(row)) for row in rows]

    def undo_changes(
        self, run_id: int, numbers: Sequence[int], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        moment = self._moment(run_id, now_s=now_s, quarantine_s=quarantine_s, is_undo=True)
        which = [(run_id, number) for number in numbers]
        with self._engine.write_turn(), self._engine.transaction() as connection:
            if first(connection.execute(_REGRESS, (len(numbers), run_id))) is None:
                raise StoreUnavailable(f"import {run_id} is not there to be undone")
            kept = {row[0]: _change(row) for row in select(connection, _NUMBERED, which)}
            back = [_reverse(kept[number]) for number in numbers if number in kept]
            results = iter(_apply(connection, back, moment))
            insert(connection, _MARK_UNDONE, which)
            return [next(results) if number in kept else None for number in numbers]

    def _moment(
        self, run_id: int, *, now_s: float, quarantine_s: float, is_undo: bool = False
    ) -> Moment:
        return Moment(
            now_s=now_s,
            by_whom=f"import:{run_id}",
            quarantine_s=quarantine_s,
            calendar=self._calendar,
            run_id=run_id,
            is_undo=is_undo,
        )

    # One at a time

    def put(
        self, change: Change, *, by_whom: str, now_s: float, quarantine_s: float
    ) -> Conflict | None:
        moment = Moment(
            now_s=now_s, by_whom=by_whom, quarantine_s=quarantine_s, calendar=self._calendar
        )
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return _apply(connection, [change], moment)[0]


def _apply(
    connection: Connection, changes: Sequence[Change], moment: Moment
) -> list[Conflict | None]:
    state = Slice(connection, changes, moment)
    results = [decide(state, change) for change in changes]
    write(connection, state)
    return results


def _run(row: Row) -> ImportRun:
    run_id, at_s, by_whom, digest, state, done, total = row
    return ImportRun(
        run_id=run_id,
        at_s=at_s,
        by_whom=by_whom,
        digest=digest,
        state=state,
        done=done,
        total=total,
    )


def _change_row(change: Change) -> Sequence[Any]:
    subject = change.after or change.before
    kind, key = _UNIT, ""
    if isinstance(subject, PersonDoc):
        kind, key = _PERSON, subject.source_key
    elif subject is not None:
        key = subject.code
    return (kind, key, doc_text(change.before), doc_text(change.after), 0)


def _change(row: Row) -> Change:
    _, kind, before, after = row
    doc_kind: type[Doc] = PersonDoc if kind == _PERSON else UnitDoc
    return Change(before=doc_of_text(doc_kind, before), after=doc_of_text(doc_kind, after))


def _reverse(change: Change) -> Change:
    return Change(before=change.after, after=change.before)
