"""Settling: what became of copies, in the one transaction that all settlements of a batch share.

A settlement counts for what its agent still holds, or, without an agent, for
what nobody holds; the rest is lost and nothing changes for it.  What was just
relayed goes its own, shorter way: copies of one message whose numbers have no gap
are written by their range, single ones many to a statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mailserver.queue.copies import TRANSITIONS, CopyState
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.queue import (
    Attempt,
    CopyOutcome,
    CopyRef,
    HopNote,
    Lane,
    Relayed,
    Settled,
    Settlement,
)
from mailserver.store.sql.bulk import chunks, insert
from mailserver.store.sql.engine import Connection, first
from mailserver.store.sql.queue import destinations
from mailserver.store.sql.queue.rows import INSERT_SPENT, QueueRow, QueueRows
from mailserver.values.ids import MessageId

_NOTE_HOP = """
    UPDATE destination SET not_before_s = ?, failure_count = ?, last_error = ?, last_error_at_s = ?
    WHERE destination_id = ?"""


_HELD = f"lane = {Lane.LEASED.value} AND agent_id = ?"
_RELAYED: Final = CopyState.RELAYED.value
_NUMBER = """1 + coalesce((SELECT max(number) FROM attempt AS before
            WHERE before.message_id = taken.message_id AND before.copy_no = taken.copy_no), 0)"""
_COLUMNS = "message_id, copy_no, number, at_s, outcome, host, address, tls, status, words"

_RANGE = f"FROM queue WHERE message_id = ? AND copy_no BETWEEN ? AND ? AND {_HELD}"
_COUNT = "SELECT count(*) {}"
_DROP = "DELETE {}"
_TAKE = "DELETE {} RETURNING message_id, copy_no"
_FINISH_RANGE = f"""
    UPDATE copy SET state = {_RELAYED}, settled_at_s = ?
    WHERE message_id = ? AND copy_no BETWEEN ? AND ?"""
_NOTE_RANGE = f"""
    WITH taken (message_id, copy_no, last_no, at_s, host, address, tls, status, words)
        AS ({{rows:integer integer integer real text text text text text}})
    INSERT INTO attempt ({_COLUMNS}, last_no)
    SELECT message_id, copy_no, {_NUMBER},
        at_s, {_RELAYED}, host, address, tls, status, words, last_no
    FROM taken"""
_SINGLE = f"FROM queue WHERE (message_id, copy_no) IN ({{rows:integer integer}}) AND {_HELD}"
_FINISH = f"""
    WITH taken (message_id, copy_no, at_s) AS ({{rows:integer integer real}})
    UPDATE copy SET state = {_RELAYED}, settled_at_s = taken.at_s
    FROM taken WHERE copy.message_id = taken.message_id AND copy.copy_no = taken.copy_no"""
_NOTE = f"""
    WITH taken (message_id, copy_no, at_s, host, address, tls, status, words)
        AS ({{rows:integer integer real text text text text text}})
    INSERT INTO attempt ({_COLUMNS})
    SELECT message_id, copy_no, {_NUMBER},
        at_s, {_RELAYED}, host, address, tls, status, words
    FROM taken WHERE true"""


Row = tuple[int, int, Relayed]
"""(message, copy number, what became of it)"""


class ImpossibleOutcome(StoreError):
    """A transition that `mailserver.queue.copies` does not know: a bug of the caller."""


def settle(connection: Connection, settlements: Sequence[Settlement]) -> list[Settled]:
    """
    Raises:
        ImpossibleOutcome: of any; nothing may be committed then.
    """
    relayed = [_settle_relayed(connection, settlement) for settlement in settlements]
    outcomes = [outcome for settlement in settlements for outcome in settlement.outcomes]
    if not outcomes:
        return [Settled(lost) for lost in relayed]
    rows = QueueRows()
    rows.read(connection, (outcome.ref for outcome in outcomes))
    next_hops = {outcome.destination for outcome in outcomes if outcome.destination is not None}
    ids = destinations.find_or_add(connection, next_hops) if next_hops else {}
    settled = [
        Settled(lost + _settle_one(rows, settlement, ids))
        for settlement, lost in zip(settlements, relayed, strict=True)
    ]
    rows.write(connection)
    return settled


def note_hop(connection: Connection, note: HopNote) -> Settled:
    """How the hop itself fares; one that has been forgotten meanwhile stays forgotten."""
    error_at_s = note.at_s if note.error else None
    connection.execute(
        _NOTE_HOP,
        (note.not_before_s, note.failure_count, note.error, error_at_s, note.destination_id),
    )
    return Settled()


def _settle_one(
    rows: QueueRows, settlement: Settlement, ids: dict[str, int]
) -> tuple[CopyRef, ...]:
    lost: list[CopyRef] = []
    for outcome in settlement.outcomes:
        row = rows.rows.get((outcome.ref.message_id, outcome.ref.copy_no))
        if row is None or not _is_his(row, settlement.agent_id):
            lost.append(outcome.ref)
        else:
            _apply(rows, row, outcome, at_s=settlement.at_s, ids=ids)
    return tuple(lost)


def _is_his(row: QueueRow, agent_id: int | None) -> bool:
    if agent_id is None:
        return row.lane is not Lane.LEASED
    return row.lane is Lane.LEASED and row.agent_id == agent_id


def _apply(
    rows: QueueRows, row: QueueRow, outcome: CopyOutcome, *, at_s: float, ids: dict[str, int]
) -> None:
    state = outcome.state
    if state is not row.state and state not in TRANSITIONS[row.state]:
        raise ImpossibleOutcome(f"{row.state.name} copy cannot become {state.name}: {outcome.ref}")
    for attempt in outcome.before:
        rows.note(row, attempt, CopyState.QUEUED)
    if outcome.attempt is not None:
        rows.note(row, outcome.attempt, state)
        row.attempt_count += state is not CopyState.QUEUED or outcome.due_at_s is not None
    if outcome.owes is not None:
        rows.owe(row, outcome.owes, at_s)
    if state.is_final:
        rows.finish(row, state, at_s)
        return
    if outcome.tell_at_s is not None:
        row.tell_at_s = outcome.tell_at_s
    if outcome.destination is not None:
        row.destination_id = ids[outcome.destination]
    _place(row, outcome)
    rows.keep(row, at_s)


def _place(row: QueueRow, outcome: CopyOutcome) -> None:
    """Where it waits now."""
    if outcome.state is CopyState.HELD:
        row.hold(None if outcome.tells else outcome.reason)
    elif outcome.due_at_s is not None:
        row.wait(Lane.WAITING, outcome.due_at_s)
    elif row.lane is not Lane.WAITING:
        # Untried, it goes back to its turn; tried, it is due when it was.
        row.wait(Lane.FIRST if row.attempt_count == 0 else Lane.WAITING, row.due_at_s)


def _settle_relayed(connection: Connection, settlement: Settlement) -> tuple[CopyRef, ...]:
    """Those that were not the agent's any more."""
    lost: list[CopyRef] = []
    rows: list[Row] = []
    for one in settlement.relayed:
        if one.copy_count == 1:
            rows.append((one.message_id, one.first_no, one))
        else:
            _settle_range(connection, settlement, one, lost)
    _write_relayed(connection, _take_single(connection, settlement, rows, lost), settlement.at_s)
    messages = sorted({one.message_id for one in settlement.relayed})
    insert(connection, INSERT_SPENT, [(message_id,) for message_id in messages])
    return tuple(lost)


def _settle_range(
    connection: Connection, settlement: Settlement, one: Relayed, lost: list[CopyRef]
) -> None:
    """At once, if the agent holds all of it; else what it holds, one by one."""
    where = (one.message_id, one.first_no, one.last_no)
    held = (*where, settlement.agent_id)
    if _take(connection, _RANGE, held, one.copy_count):
        connection.execute(_FINISH_RANGE, (settlement.at_s, *where))
        insert(connection, _NOTE_RANGE, [(*where, *_words(one.attempt))])
        return
    taken = {no for _, no in connection.execute(_TAKE.format(_RANGE), held)}
    numbers = range(one.first_no, one.last_no + 1)
    lost.extend(CopyRef(one.message_id, no) for no in numbers if no not in taken)
    _write_relayed(connection, [(one.message_id, no, one) for no in sorted(taken)], settlement.at_s)


def _take_single(
    connection: Connection, settlement: Settlement, rows: list[Row], lost: list[CopyRef]
) -> list[Row]:
    """Out of the queue; returns those that were there."""
    kept: list[Row] = []
    start = 0
    for which, chunk, count in chunks(connection, _SINGLE, [row[:2] for row in rows]):
        part = rows[start : start + count]
        start += count
        held = (*chunk, settlement.agent_id)
        if not _take(connection, which, held, count):
            taken = set(connection.execute(_TAKE.format(which), held))
            lost.extend(CopyRef(MessageId(row[0]), row[1]) for row in part if row[:2] not in taken)
            part = [row for row in part if row[:2] in taken]
        kept += part
    return kept


def _take(connection: Connection, which: str, held: Sequence[Any], count: int) -> bool:
    """All of it, in two steps out of Python; False: not all of it is there, nothing was taken."""
    found = first(connection.execute(_COUNT.format(which), held))
    is_whole = found is not None and found[0] == count
    if is_whole:
        connection.execute(_DROP.format(which), held)
    return is_whole


def _write_relayed(connection: Connection, rows: list[Row], at_s: float) -> None:
    """Their final state, and the attempt of each."""
    insert(connection, _FINISH, [(message_id, no, at_s) for message_id, no, _ in rows])
    notes = [(message_id, no, *_words(one.attempt)) for message_id, no, one in rows]
    insert(connection, _NOTE, notes)


def _words(attempt: Attempt) -> Sequence[Any]:
    return (
        attempt.at_s,
        attempt.host,
        attempt.address,
        attempt.tls,
        attempt.status,
        attempt.words,
    )
