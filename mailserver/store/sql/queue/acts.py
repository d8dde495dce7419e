"""What people do to the queue: each act is a transaction, and a line of the copy's journey.

| act     | from               | to                                              |
| ------- | ------------------ | ----------------------------------------------- |
| hold    | first, waiting     | held                                            |
| release | held               | first, and not expired for `RELEASED_FOR_S`     |
| retry   | first, waiting     | due at once, and so is its hop                  |
| reroute | first, waiting     | due at once at another hop                      |
| reroute | held               | held, for another hop                           |
| return  | all but leased     | returned; the report that it owes is written    |
| cancel  | all but leased     | cancelled; nobody is told                       |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import BY_OPERATOR, ReportKind, is_owed
from mailserver.store.ports.operators import Act, Deed
from mailserver.store.ports.queue import Attempt, CopyRef, Lane
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection, Engine, first, with_reserve
from mailserver.store.sql.queue import destinations
from mailserver.store.sql.queue.rows import QueueRow, QueueRows
from mailserver.values.message import Notify

RELEASED_FOR_S: Final = 4 * 3600.0
"""What was held past its time and is released is tried this long before it is returned."""
RETURNED_STATUS: Final = "5.0.0"  # RFC 3463 §3.1: nothing is known but that it failed

_WHO_IS_TOLD = """
    WITH wanted (message_id, copy_no) AS ({rows:integer integer})
    SELECT copy.message_id, copy.copy_no, notify, reverse_path
    FROM wanted
        JOIN copy ON copy.message_id = wanted.message_id AND copy.copy_no = wanted.copy_no
        JOIN message ON message.message_id = wanted.message_id"""
_FREE_HOPS = "UPDATE destination SET not_before_s = 0 WHERE destination_id IN ({rows:integer})"
_SUSPEND = """
    UPDATE destination SET suspended_until_s = ?, suspended_at_s = ? WHERE destination_id = ?"""
_RESUME = """
    UPDATE destination SET suspended_until_s = NULL, suspended_at_s = NULL, not_before_s = 0
    WHERE next_hop = ? AND suspended_until_s IS NOT NULL RETURNING 1"""

_LEADS_TO: Final = {
    Act.HOLD: CopyState.HELD,
    Act.RELEASE: CopyState.QUEUED,
    Act.RETRY: CopyState.QUEUED,
    Act.REROUTE: CopyState.QUEUED,
    Act.RETURN: CopyState.RETURNED,
    Act.CANCEL: CopyState.CANCELLED,
}
_UNTRIED_OR_DEFERRED: Final = frozenset({Lane.FIRST, Lane.WAITING})
_FREE: Final = _UNTRIED_OR_DEFERRED | {Lane.HELD}
_FROM: Final = {
    Act.HOLD: _UNTRIED_OR_DEFERRED,
    Act.RELEASE: frozenset({Lane.HELD}),
    Act.RETRY: _UNTRIED_OR_DEFERRED,
    Act.REROUTE: _FREE,
    Act.RETURN: _FREE,
    Act.CANCEL: _FREE,
}


class SqlQueueActs:
    def __init__(self, engine: Engine, *, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._wake = wake

    def act_on(self, refs: Sequence[CopyRef], deed: Deed) -> list[CopyRef]:
        done = with_reserve(self._engine, lambda one: act_on_copies(one, refs, deed))
        if done:
            self._wake()
        return done

    def suspend(self, next_hop: str, *, until_s: float | None, now_s: float) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            hop_id = destinations.find_or_add(connection, [next_hop])[next_hop]
            connection.execute(_SUSPEND, (math.inf if until_s is None else until_s, now_s, hop_id))

    def resume(self, next_hop: str) -> bool:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            was_suspended = first(connection.execute(_RESUME, (next_hop,))) is not None
        if was_suspended:
            self._wake()
        return was_suspended


def act_on_copies(connection: Connection, refs: Sequence[CopyRef], deed: Deed) -> list[CopyRef]:
    """In the caller's transaction; whoever commits wakes the agents."""
    rows = QueueRows()
    rows.read(connection, refs)
    hops = destinations.find_or_add(connection, [deed.next_hop]) if deed.next_hop else {}
    told = _who_is_told(connection, refs) if deed.act is Act.RETURN else set()
    done: dict[CopyRef, QueueRow] = {}
    for ref in refs:
        row = rows.rows.get((ref.message_id, ref.copy_no))
        if row is None or row.lane not in _FROM[deed.act]:
            continue
        done[ref] = row
        rows.note(row, _note(deed), _LEADS_TO[deed.act])
        if ref in told:
            rows.owe(row, ReportKind.FAILED, deed.at_s)
        _change(rows, row, deed, hops)
    rows.write(connection)
    if deed.act is Act.RETRY:
        insert(connection, _FREE_HOPS, _ids(row.destination_id for row in done.values()))
    return list(done)


def _change(rows: QueueRows, row: QueueRow, deed: Deed, hops: dict[str, int]) -> None:
    state = _LEADS_TO[deed.act]
    if state.is_final:
        rows.finish(row, state, deed.at_s)
        return
    if deed.act is Act.HOLD:
        row.hold(deed.reason)
    elif deed.act is Act.RELEASE:
        row.wait(Lane.FIRST, deed.at_s)
        row.tell_at_s = max(row.tell_at_s, deed.at_s + RELEASED_FOR_S)
    else:
        row.destination_id = hops.get(deed.next_hop, row.destination_id)
        if row.lane is Lane.WAITING:
            row.wait(Lane.WAITING, min(row.due_at_s, deed.at_s))
    rows.keep(row, deed.at_s)


def _note(deed: Deed) -> Attempt:
    """Who, and why.  Only a return has a status: its words go to the sender."""
    words = f"{deed.act.value} by {deed.by}"
    words += f" to {deed.next_hop}" if deed.act is Act.REROUTE else ""
    words += f": {deed.reason}" if deed.reason else ""
    if deed.act is not Act.RETURN:
        return Attempt(at_s=deed.at_s, status="", words=words)
    return Attempt(at_s=deed.at_s, status=RETURNED_STATUS, words=words, phase=BY_OPERATOR)


def _who_is_told(connection: Connection, refs: Iterable[CopyRef]) -> set[CopyRef]:
    """Copies whose sender must get a report when they are returned."""
    keys = sorted({(ref.message_id, ref.copy_no) for ref in refs})
    return {
        CopyRef(message_id, copy_no)
        for message_id, copy_no, notify, reverse_path in select(connection, _WHO_IS_TOLD, keys)
        if is_owed(ReportKind.FAILED, notify=Notify(notify or 0), reverse_path=reverse_path)
    }


def _ids(numbers: Iterable[int]) -> list[tuple[int]]:
    return [(number,) for number in sorted(set(numbers))]
