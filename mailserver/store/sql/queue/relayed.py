"""Settling what another server took: out of the queue, into the journey, with little ado.

Copies of one message whose numbers have no gap are written by their range,
single ones many to a statement.  Only what the agent still holds leaves the
queue, nearly always all of it; what is not there is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mailserver.queue.copies import CopyState
from mailserver.store.ports.queue import Attempt, CopyRef, Lane, Relayed, Settlement
from mailserver.store.sql.bulk import chunks, insert
from mailserver.store.sql.engine import Connection, first
from mailserver.store.sql.queue.rows import INSERT_SPENT
from mailserver.values.ids import MessageId

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


def settle(connection: Connection, settlement: Settlement) -> tuple[CopyRef, ...]:
    """Those that were not the agent's any more."""
    lost: list[CopyRef] = []
    rows: list[Row] = []
    for one in settlement.relayed:
        if one.copy_count == 1:
            rows.append((one.message_id, one.first_no, one))
        else:
            _settle_range(connection, settlement, one, lost)
    _write(connection, _take_single(connection, settlement, rows, lost), settlement.at_s)
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
    _write(connection, [(one.message_id, no, one) for no in sorted(taken)], settlement.at_s)


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


def _write(connection: Connection, rows: list[Row], at_s: float) -> None:
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
