"""Queueing in the accepting transaction: destinations, queue rows, reports owed at once.

Purely local mail costs no statement here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import Lane
from mailserver.store.sql.bulk import insert
from mailserver.store.sql.engine import Connection
from mailserver.store.sql.queue import destinations
from mailserver.values.message import NewCopy, Relay

_FIRST, _HELD = Lane.FIRST.value, Lane.HELD.value
_DELIVERED = ReportKind.DELIVERED.value

INSERT_QUEUE = """
    INSERT INTO queue (message_id, copy_no, destination_id, lane, due_at_s, tell_at_s,
        attempt_count, agent_id, reason)
    {rows:integer integer integer integer real real integer integer text}"""
INSERT_OWED = """
    INSERT INTO owed_report (message_id, copy_no, kind, owed_at_s) {rows:integer integer integer
        real}
    ON CONFLICT (message_id, copy_no, kind) DO NOTHING"""


@dataclass(slots=True)
class NewQueue:
    """What one batch of acceptances queues."""

    copies: list[tuple[int, int, Relay]] = field(default_factory=list)
    next_hops: dict[str, float | None] = field(default_factory=dict)  # -> when the first is due
    owed: list[Sequence[Any]] = field(default_factory=list)

    def add(self, message_id: int, copy_no: int, route: Relay, at_s: float) -> None:
        """One copy that is not for a mailbox of ours."""
        self.copies.append((message_id, copy_no, route))
        hop = route.next_hop
        due_at_s = self.next_hops.setdefault(hop, None)
        if not route.held_for:
            # A turn ahead orders and delays nothing: it is due at once.
            at_s = min(at_s, route.turn_at_s)
            self.next_hops[hop] = at_s if due_at_s is None else min(due_at_s, at_s)

    def add_owed(self, message_id: int, copy_no: int, copy: NewCopy, at_s: float) -> None:
        """A deposit of which its sender wants to hear."""
        if copy.owes_report:
            self.owed.append((message_id, copy_no, _DELIVERED, at_s))

    @property
    def has_work(self) -> bool:
        """Is there anything for an agent, or for the reporter?"""
        return bool(self.copies or self.owed)

    def write(self, connection: Connection) -> None:
        """In the accepting transaction."""
        if self.copies:
            ids = destinations.queue_at(connection, self.next_hops)
            rows = [_row(message_id, no, route, ids) for message_id, no, route in self.copies]
            insert(connection, INSERT_QUEUE, rows)
        if self.owed:
            insert(connection, INSERT_OWED, self.owed)


def _row(message_id: int, copy_no: int, route: Relay, ids: dict[str, int]) -> Sequence[Any]:
    reason = route.held_for or None
    lane = _FIRST if reason is None else _HELD
    hop_id = ids[route.next_hop]
    return (message_id, copy_no, hop_id, lane, route.turn_at_s, route.tell_at_s, 0, None, reason)
