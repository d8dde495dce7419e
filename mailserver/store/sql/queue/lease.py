"""Leasing: an agent takes some copies of one destination, and learns what is left.

Half of them come from each lane while both have some.  What is left decides
when the destination is due next, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from mailserver.store.ports.queue import CopyRef, Lane, Lease, Leased, LeasedCopy
from mailserver.store.sql.bulk import insert
from mailserver.store.sql.engine import Connection, Row, first
from mailserver.values.message import Notify

_FIRST, _WAITING = Lane.FIRST.value, Lane.WAITING.value

_MAY = """
    SELECT (SELECT 1 FROM agent WHERE agent_id = ? AND until_s > 0),
        (SELECT 1 FROM destination WHERE destination_id = ? AND suspended_until_s > ?)"""
_COPIES = """
    SELECT queue.message_id, queue.copy_no, recipient, notify, original_recipient, attempt_count,
        accepted_at_s, copy.sender
    FROM queue
        CROSS JOIN message CROSS JOIN copy
    WHERE destination_id = ? AND {lane} AND message.message_id = queue.message_id
        AND copy.message_id = queue.message_id AND copy.copy_no = queue.copy_no
    ORDER BY queue.due_at_s, queue.message_id, queue.copy_no LIMIT ?"""
_DEFERRED = _COPIES.format(lane="lane = 1 AND due_at_s <= ?")
_UNTRIED = _COPIES.format(lane="lane = 0")
# A range is of one message, its copies without a gap: many to one destination are few rows.
_TAKE = """
    WITH taken (message_id, first_no, last_no, agent_id) AS ({rows:integer integer integer integer})
    UPDATE queue SET lane = 2, agent_id = taken.agent_id
    FROM taken WHERE queue.message_id = taken.message_id
        AND queue.copy_no BETWEEN taken.first_no AND taken.last_no"""
_HEAD_OF_LANE = """
    SELECT due_at_s FROM queue WHERE destination_id = ? AND lane = ? ORDER BY due_at_s LIMIT 1"""
_SET_DUE = "UPDATE destination SET next_due_at_s = ? WHERE destination_id = ?"

_NOTIFY = tuple(Notify(number) for number in range(2 * max(Notify)))


def lease(connection: Connection, wanted: Lease) -> Leased:
    """An agent that has been taken over gets nothing, nor does anyone of a suspended hop."""
    hop = wanted.destination_id
    may = first(connection.execute(_MAY, (wanted.agent_id, hop, wanted.now_s)))
    if may is None or may[0] is None or may[1] is not None:
        return Leased((), None)
    rows = _choose(connection, wanted)
    insert(connection, _TAKE, [(*one, wanted.agent_id) for one in _ranges(rows)])
    next_due_at_s = _next_due(connection, hop, wanted.now_s)
    connection.execute(_SET_DUE, (next_due_at_s, hop))
    return Leased(tuple(map(_leased, _together(rows))), next_due_at_s)


def _choose(connection: Connection, wanted: Lease) -> list[Row]:
    """The lanes in turn: a deferred one, an untried one, ..."""
    hop, limit = wanted.destination_id, wanted.limit
    deferred = list(connection.execute(_DEFERRED, (hop, wanted.now_s, limit)))
    untried_limit = limit - min(len(deferred), limit // 2)
    untried = list(connection.execute(_UNTRIED, (hop, untried_limit)))
    if not deferred:
        return untried
    pairs = zip_longest(untried, deferred[: limit - len(untried)])
    return [row for row in chain.from_iterable(pairs) if row is not None]


def _ranges(rows: Sequence[Row]) -> Iterator[tuple[int, int, int]]:
    """(message, first number, last number), in the order of the rows."""
    start = 0
    while start < len(rows):
        message_id, first_no = rows[start][:2]
        end = start + 1
        while end < len(rows) and rows[end][:2] == (message_id, first_no + end - start):
            end += 1
        yield message_id, first_no, first_no + end - start - 1
        start = end


def _next_due(connection: Connection, hop: int, now_s: float) -> float | None:
    """Of what is left; untried ones are due at once, whenever their turn is."""
    untried = first(connection.execute(_HEAD_OF_LANE, (hop, _FIRST)))
    deferred = first(connection.execute(_HEAD_OF_LANE, (hop, _WAITING)))
    due = [min(untried[0], now_s)] if untried is not None else []
    if deferred is not None:
        due.append(deferred[0])
    return min(due, default=None)


def _together(rows: Iterable[Row]) -> Iterable[Row]:
    """In order, but those of one message stand where its first one does."""
    by_message: dict[int, list[Row]] = {}
    for row in rows:
        by_message.setdefault(row[0], []).append(row)
    return chain.from_iterable(by_message.values())


def _leased(row: Row) -> LeasedCopy:
    message_id, copy_no, recipient, notify, original_recipient, attempt_count, at_s, sender = row
    return LeasedCopy(
        CopyRef(message_id, copy_no),
        recipient,
        _NOTIFY[notify or 0],
        original_recipient or "",
        attempt_count,
        at_s,
        sender,
    )
