"""The queue as operators look through it: a window of rows at a time, so that no read is long.

Addresses are compared folded, which only Python can do; whatever else a filter
says, the database compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from mailserver.store.ports.operators import DestinationState, QueuedCopy, QueueFilter
from mailserver.store.ports.queue import CopyRef, Lane
from mailserver.store.sql.bulk import select
from mailserver.store.sql.engine import Engine, Reads, Row, first
from mailserver.values.address import fold_address, fold_domain
from mailserver.values.ids import MessageId

WINDOW: Final = 5_000
"""Rows that one read looks at."""
_START = (-1, -1)

_WINDOW_END = """
    SELECT message_id, copy_no FROM queue WHERE (message_id, copy_no) > (?, ?)
    ORDER BY message_id, copy_no LIMIT 1 OFFSET ?"""
_SCAN = """
    SELECT queue.message_id, queue.copy_no, {columns} FROM queue {joins}
    WHERE (queue.message_id, queue.copy_no) > (?, ?) {conditions}
    ORDER BY queue.message_id, queue.copy_no"""
_NOT_AFTER = "AND (queue.message_id, queue.copy_no) <= (?, ?)"
_JOIN_COPY = "JOIN copy ON copy.message_id = queue.message_id AND copy.copy_no = queue.copy_no"
_JOIN_MESSAGE = "JOIN message ON message.message_id = queue.message_id"
_JOIN_HOP = "JOIN destination ON destination.destination_id = queue.destination_id"
_SHOW = f"""
    WITH wanted (message_id, copy_no) AS ({{rows:integer integer}})
    SELECT queue.message_id, queue.copy_no, accept_id, recipient, reverse_path, next_hop, lane,
        due_at_s, accepted_at_s, attempt_count, reason, status, words, length(head) + body_octets
    FROM wanted
        JOIN queue ON queue.message_id = wanted.message_id AND queue.copy_no = wanted.copy_no
        {_JOIN_COPY} {_JOIN_MESSAGE} {_JOIN_HOP}
        LEFT JOIN attempt ON attempt.message_id = queue.message_id
            AND attempt.copy_no = queue.copy_no
            AND attempt.number = (SELECT max(number) FROM attempt AS tried
                WHERE tried.message_id = queue.message_id AND tried.copy_no = queue.copy_no)"""
_COUNT_LANES = "SELECT destination_id, lane, count(*) FROM queue GROUP BY destination_id, lane"
_DESTINATIONS = """
    SELECT destination_id, next_hop, next_due_at_s, not_before_s, failure_count, last_error,
        last_error_at_s, suspended_until_s
    FROM destination ORDER BY next_hop"""


@dataclass(frozen=True, slots=True)
class _Scan:
    """A filter as the database understands it, and what is left for Python."""

    statement: str  # of a window that has an end
    last_statement: str  # of the last one
    parameters: tuple[Any, ...]
    sender: str | None
    recipient: str | None
    domain: str | None

    def takes(self, row: Row) -> bool:
        """(message, copy, recipient, reverse-path): is it wanted?"""
        recipient, sender = row[2:]
        if self.sender is not None and fold_address(sender) != self.sender:
            return False
        if self.recipient is not None and fold_address(recipient) != self.recipient:
            return False
        return self.domain is None or fold_domain(recipient.rpartition("@")[2]) == self.domain


class SqlQueueSearch:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list_queue(
        self, which: QueueFilter, *, after: CopyRef | None, limit: int
    ) -> list[QueuedCopy]:
        start = _START if after is None else (after.message_id, after.copy_no)
        wanted = list(islice(self._matching(which, start), limit))
        shown = map(_queued_copy, select(Reads(self._engine), _SHOW, wanted))
        return sorted(shown, key=lambda copy: copy.ref)

    def count_queue(self, which: QueueFilter) -> int:
        return sum(1 for _ in self._matching(which, _START))

    def list_destinations(self) -> list[DestinationState]:
        counts = {(row[0], row[1]): row[2] for row in self._engine.read(_COUNT_LANES)}
        return [_destination(row, counts) for row in self._engine.read(_DESTINATIONS)]

    def _matching(self, which: QueueFilter, start: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Keys in order, a window a read."""
        scan = _scan_of(which)
        while True:
            end = first(self._engine.read(_WINDOW_END, (*start, WINDOW - 1)))
            bounds = start if end is None else (*start, *end)
            statement = scan.last_statement if end is None else scan.statement
            for row in self._engine.read(statement, (*bounds, *scan.parameters)):
                if scan.takes(row):
                    yield row[0], row[1]
            if end is None:
                return
            start = (end[0], end[1])


def _scan_of(which: QueueFilter) -> _Scan:
    compared = {
        "queue.copy_no = ?": which.copy_no,
        "queue.lane = ?": None if which.lane is None else which.lane.value,
        "message.accept_id = ?": which.accept_id,
        "message.account_id = ?": which.account_id,
        "destination.next_hop = ?": which.next_hop,
    }
    conditions = " ".join(f"AND {text}" for text, value in compared.items() if value is not None)
    joins, columns = _joins_of(which)
    return _Scan(
        statement=_SCAN.format(
            columns=columns, joins=joins, conditions=f"{_NOT_AFTER} {conditions}"
        ),
        last_statement=_SCAN.format(columns=columns, joins=joins, conditions=conditions),
        parameters=tuple(value for value in compared.values() if value is not None),
        sender=None if which.sender is None else fold_address(which.sender),
        recipient=None if which.recipient is None else fold_address(which.recipient),
        domain=None if which.domain is None else fold_domain(which.domain),
    )


def _joins_of(which: QueueFilter) -> tuple[str, str]:
    """(the tables that a filter needs, its columns recipient and reverse-path)."""
    needs_copy = which.recipient is not None or which.domain is not None
    needs_sender = which.sender is not None
    needs_message = needs_sender or (which.accept_id, which.account_id) != (None, None)
    joins = [
        (_JOIN_COPY, needs_copy),
        (_JOIN_MESSAGE, needs_message),
        (_JOIN_HOP, which.next_hop is not None),
    ]
    columns = ["recipient" if needs_copy else "''", "reverse_path" if needs_sender else "''"]
    return " ".join(join for join, is_needed in joins if is_needed), ", ".join(columns)


def _queued_copy(row: Row) -> QueuedCopy:
    message_id, copy_no, accept_id, recipient, reverse_path, next_hop, lane, due_at_s, *rest = row
    accepted_at_s, attempt_count, reason, status, words, size_octets = rest
    return QueuedCopy(
        ref=CopyRef(MessageId(message_id), copy_no),
        accept_id=accept_id,
        recipient=recipient,
        reverse_path=reverse_path,
        next_hop=next_hop,
        lane=Lane(lane),
        due_at_s=due_at_s,
        accepted_at_s=accepted_at_s,
        attempt_count=attempt_count,
        reason=(words if reason is None and lane == Lane.HELD.value else reason) or "",
        last_status=status or "",
        last_words=words or "",
        size_octets=size_octets,
    )


def _destination(row: Row, counts: dict[tuple[int, int], int]) -> DestinationState:
    hop_id, next_hop, next_due_at_s, not_before_s, failure_count, error, error_at_s, until_s = row
    return DestinationState(
        next_hop=next_hop,
        first_count=counts.get((hop_id, Lane.FIRST.value), 0),
        waiting_count=counts.get((hop_id, Lane.WAITING.value), 0),
        leased_count=counts.get((hop_id, Lane.LEASED.value), 0),
        held_count=counts.get((hop_id, Lane.HELD.value), 0),
        next_due_at_s=next_due_at_s,
        not_before_s=not_before_s,
        failure_count=failure_count,
        last_error=error,
        last_error_at_s=error_at_s,
        suspended_until_s=until_s,
    )
