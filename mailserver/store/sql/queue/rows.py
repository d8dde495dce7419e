"""Rows of the queue while one transaction changes them: read once, written once.

Whoever changes a row here says so (`finish`, `keep`, `note`, `owe`), and
`write` puts all of it into the tables with a constant number of statements.
Two changes of one row in one batch see each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import Attempt, CopyRef, Lane
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection
from mailserver.store.sql.queue import destinations
from mailserver.store.sql.queue.accept import INSERT_OWED

_LANES = tuple(Lane)

_READ = """
    WITH wanted (message_id, copy_no) AS ({rows:integer integer})
    SELECT queue.message_id, queue.copy_no, destination_id, lane, due_at_s, tell_at_s,
        attempt_count, agent_id, reason,
        (SELECT max(number) FROM attempt WHERE attempt.message_id = queue.message_id
            AND attempt.copy_no = queue.copy_no)
    FROM wanted JOIN queue
        ON queue.message_id = wanted.message_id AND queue.copy_no = wanted.copy_no"""
_DELETE = "DELETE FROM queue WHERE (message_id, copy_no) IN ({rows:integer integer})"
_KEEP = """
    WITH kept (message_id, copy_no, destination_id, lane, due_at_s, tell_at_s, attempt_count,
        agent_id, reason) AS ({rows:integer integer integer integer real real integer integer text})
    UPDATE queue SET destination_id = kept.destination_id, lane = kept.lane,
        due_at_s = kept.due_at_s, tell_at_s = kept.tell_at_s,
        attempt_count = kept.attempt_count, agent_id = kept.agent_id, reason = kept.reason
    FROM kept WHERE queue.message_id = kept.message_id AND queue.copy_no = kept.copy_no"""
_FINISH = """
    WITH finished (message_id, copy_no, state, at_s) AS ({rows:integer integer integer real})
    UPDATE copy SET state = finished.state, settled_at_s = finished.at_s
    FROM finished
    WHERE copy.message_id = finished.message_id AND copy.copy_no = finished.copy_no"""
INSERT_ATTEMPTS = """
    INSERT INTO attempt (message_id, copy_no, number, at_s, outcome, host, address, tls, status,
        words, phase)
    {rows:integer integer integer real integer text text text text text text}"""
INSERT_SPENT = """
    WITH done (message_id) AS ({rows:integer})
    INSERT INTO spent (message_id) SELECT message_id FROM done
    WHERE NOT EXISTS (SELECT 1 FROM queue WHERE queue.message_id = done.message_id)
    ON CONFLICT (message_id) DO NOTHING"""


@dataclass(slots=True)
class QueueRow:
    """One row, in the order of its columns."""

    message_id: int
    copy_no: int
    destination_id: int
    lane: Lane
    due_at_s: float
    tell_at_s: float
    attempt_count: int
    agent_id: int | None
    reason: str | None
    last_number: int  # of its attempts and notes

    @property
    def state(self) -> CopyState:
        """As `mailserver.queue.copies` names it."""
        if self.lane is Lane.LEASED:
            return CopyState.LEASED
        return CopyState.HELD if self.lane is Lane.HELD else CopyState.QUEUED

    def wait(self, lane: Lane, due_at_s: float) -> None:
        """Nobody holds it any more, and no reason keeps it."""
        self.lane = lane
        self.due_at_s = due_at_s
        self.agent_id = None
        self.reason = None

    def hold(self, reason: str | None) -> None:
        """None: its sender hears all the same (`queue_tell`); its last attempt says why."""
        self.lane = Lane.HELD
        self.agent_id = None
        self.reason = reason

    def values(self) -> Sequence[Any]:
        return (
            self.message_id,
            self.copy_no,
            self.destination_id,
            self.lane.value,
            self.due_at_s,
            self.tell_at_s,
            self.attempt_count,
            self.agent_id,
            self.reason,
        )


Key = tuple[int, int]


@dataclass(slots=True)
class QueueRows:
    """What one transaction looks at and changes."""

    rows: dict[Key, QueueRow] = field(default_factory=dict)
    _kept: dict[Key, QueueRow] = field(default_factory=dict)
    _finished: list[Sequence[Any]] = field(default_factory=list)
    _attempts: list[Sequence[Any]] = field(default_factory=list)
    _owed: list[Sequence[Any]] = field(default_factory=list)
    _due: dict[int, float] = field(default_factory=dict)

    def read(self, connection: Connection, refs: Iterable[CopyRef]) -> None:
        """Those that are not in the queue any more are missing in `rows`."""
        wanted = sorted({(ref.message_id, ref.copy_no) for ref in refs})
        for row in select(connection, _READ, wanted):
            message_id, copy_no, hop_id, lane, due_s, tell_s, tries, agent_id, reason, last = row
            self.rows[message_id, copy_no] = QueueRow(
                message_id,
                copy_no,
                hop_id,
                _LANES[lane],
                due_s,
                tell_s,
                tries,
                agent_id,
                reason,
                last or 0,
            )

    def finish(self, row: QueueRow, state: CopyState, at_s: float) -> None:
        """It leaves the queue in a final state."""
        key = (row.message_id, row.copy_no)
        del self.rows[key]
        self._kept.pop(key, None)
        self._finished.append((*key, state.value, at_s))

    def keep(self, row: QueueRow, at_s: float) -> None:
        """It was changed, and stays."""
        self._kept[row.message_id, row.copy_no] = row
        if row.lane is Lane.FIRST:
            self._lower(row.destination_id, min(row.due_at_s, at_s))
        elif row.lane is Lane.WAITING:
            self._lower(row.destination_id, row.due_at_s)

    def note(self, row: QueueRow, attempt: Attempt, led_to: CopyState) -> None:
        """One more line of its journey."""
        row.last_number += 1
        self._attempts.append(
            (
                row.message_id,
                row.copy_no,
                row.last_number,
                attempt.at_s,
                led_to.value,
                attempt.host,
                attempt.address,
                attempt.tls,
                attempt.status,
                attempt.words,
                attempt.phase or None,
            )
        )

    def owe(self, row: QueueRow, kind: ReportKind, at_s: float) -> None:
        self._owed.append((row.message_id, row.copy_no, kind.value, at_s))

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def write(self, connection: Connection) -> None:
        """All of it, in the transaction in which it was read."""
        insert(connection, _DELETE, [row[:2] for row in self._finished])
        insert(connection, _FINISH, self._finished)
        insert(connection, _KEEP, [row.values() for row in self._kept.values()])
        insert(connection, INSERT_ATTEMPTS, self._attempts)
        insert(connection, INSERT_OWED, self._owed)
        destinations.lower(connection, self._due)
        insert(connection, INSERT_SPENT, [(m,) for m in sorted({row[0] for row in self._finished})])

    def _lower(self, destination_id: int, at_s: float) -> None:
        known = self._due.get(destination_id)
        if known is None or at_s < known:
            self._due[destination_id] = at_s
