"""What agents and the timekeeper read of the queue.  Short reads; values, never cursors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from mailserver.store.ports.bodies import BodyReader
from mailserver.store.ports.queue import (
    SMALL_OCTETS,
    CopyRef,
    DueDestination,
    OverdueCopy,
    QueuedMessage,
)
from mailserver.store.sql.bulk import select
from mailserver.store.sql.engine import Engine, Reads, Row, first
from mailserver.store.sql.mail.bodies import OpenBody
from mailserver.store.sql.mail.flags import (
    ENDS_WITH_CRLF,
    HAS_NUL,
    IS_8BIT,
    IS_SIGNED_BY_US,
    IS_UNVOUCHED,
    SMTPUTF8,
)
from mailserver.values.ids import MessageId
from mailserver.values.message import Notify

_DUE = """
    SELECT destination_id, next_hop, next_due_at_s, not_before_s, failure_count FROM destination
    WHERE next_due_at_s <= ? AND not_before_s <= ?
        AND (suspended_until_s IS NULL OR suspended_until_s <= ?)
    ORDER BY next_due_at_s, destination_id LIMIT ?"""
_NEXT_FREE = """
    SELECT next_due_at_s FROM destination
    WHERE next_due_at_s IS NOT NULL AND not_before_s <= ?
        AND (suspended_until_s IS NULL OR suspended_until_s <= ?)
    ORDER BY next_due_at_s LIMIT 1"""
_NEXT_OF_OTHERS = """
    SELECT min(CASE
        WHEN next_due_at_s >= not_before_s AND next_due_at_s >= coalesce(suspended_until_s, 0)
            THEN next_due_at_s
        WHEN not_before_s >= coalesce(suspended_until_s, 0) THEN not_before_s
        ELSE suspended_until_s END)
    FROM destination
    WHERE next_due_at_s IS NOT NULL AND (not_before_s > ? OR suspended_until_s > ?)"""
_COLUMNS = """
    SELECT message_id, accept_id, accepted_at_s, reverse_path, account_id, flags, header_octets,
        longest_line_octets, dotted_line_count, envelope_id, return_content, head, body,
        file_name, body_octets, door, peer
    FROM message"""
_MESSAGE = f"{_COLUMNS} WHERE message_id = ?"
_SMALL = f"""{_COLUMNS}
    WHERE message_id IN ({{rows:integer}}) AND body IS NOT NULL AND body_octets <= {SMALL_OCTETS}"""
# Notes of operators have no status and say nothing to a sender.
_OVERDUE = """
    SELECT queue.message_id, queue.copy_no, recipient, reverse_path, notify, accepted_at_s,
        tell_at_s, next_hop, coalesce(words, last_error), coalesce(status, ''),
        lane = 3,
        attempt.number IS NOT NULL OR last_error <> '' OR coalesce(suspended_until_s, 0) > ?1
    FROM queue
        JOIN copy ON copy.message_id = queue.message_id AND copy.copy_no = queue.copy_no
        JOIN message ON message.message_id = queue.message_id
        JOIN destination ON destination.destination_id = queue.destination_id
        LEFT JOIN attempt ON attempt.message_id = queue.message_id
            AND attempt.copy_no = queue.copy_no
            AND attempt.number = (SELECT max(number) FROM attempt AS tried
                WHERE tried.message_id = queue.message_id AND tried.copy_no = queue.copy_no
                    AND tried.status <> '')
    WHERE queue.reason IS NULL AND queue.tell_at_s <= ?1 AND queue.lane <> 2
    ORDER BY queue.tell_at_s LIMIT ?2"""


class SqlQueueReads:
    def __init__(self, engine: Engine, *, open_body: OpenBody) -> None:
        self._engine = engine
        self._open_body = open_body

    def due_destinations(self, *, now_s: float, limit: int) -> list[DueDestination]:
        rows = self._engine.read(_DUE, (now_s, now_s, now_s, limit))
        return [
            DueDestination(
                destination_id=destination_id,
                next_hop=next_hop,
                next_due_at_s=next_due_at_s,
                not_before_s=not_before_s,
                failure_count=failure_count,
            )
            for destination_id, next_hop, next_due_at_s, not_before_s, failure_count in rows
        ]

    def next_due(self, *, now_s: float) -> float | None:
        free = first(self._engine.read(_NEXT_FREE, (now_s, now_s)))
        others = first(self._engine.read(_NEXT_OF_OTHERS, (now_s, now_s)))
        due = [row[0] for row in (free, others) if row is not None and row[0] is not None]
        earliest = min(due, default=None)
        return None if earliest is None or math.isinf(earliest) else earliest

    def open_queued(
        self, message_id: MessageId, *, without_body: bool = False
    ) -> QueuedMessage | None:
        row = first(self._engine.read(_MESSAGE, (message_id,)))
        if row is None:
            return None
        body, file_name, body_octets = row[12:15]
        if body is None and file_name is None:
            return None
        if without_body:
            return _without_body(_queued_message(row, None))
        if body is not None:
            return _queued_message(row, None)
        reader = self._open_body(message_id, file_name, body_octets)
        return None if reader is None else _queued_message(row, reader)

    def read_small(self, message_ids: Sequence[MessageId]) -> list[QueuedMessage]:
        wanted = [(message_id,) for message_id in message_ids]
        rows = select(Reads(self._engine), _SMALL, wanted)
        return [_queued_message(row, None) for row in rows]

    def overdue(self, *, now_s: float, limit: int) -> list[OverdueCopy]:
        return [_overdue(row) for row in self._engine.read(_OVERDUE, (now_s, limit))]


def _queued_message(row: Row, reader: BodyReader | None) -> QueuedMessage:
    message_id, accept_id, at_s, reverse_path, account_id, flags, header, longest, dotted, *rest = (
        row
    )
    envelope_id, return_content, head, body, _, body_octets, door, peer = rest
    return QueuedMessage(
        message_id=message_id,
        accept_id=accept_id,
        accepted_at_s=at_s,
        reverse_path=reverse_path,
        account_id=account_id,
        smtputf8=bool(flags & SMTPUTF8),
        is_8bit=bool(flags & IS_8BIT),
        ends_with_crlf=bool(flags & ENDS_WITH_CRLF),
        header_octets=header,
        longest_line_octets=longest,
        dotted_line_count=dotted,
        envelope_id=envelope_id,
        return_content=return_content,
        head=head,
        octets=body,
        reader=reader,
        body_octets=body_octets,
        door=door,
        has_nul=bool(flags & HAS_NUL),
        is_unvouched=bool(flags & IS_UNVOUCHED),
        is_signed_by_us=bool(flags & IS_SIGNED_BY_US),
        peer=peer,
    )


def _without_body(message: QueuedMessage) -> QueuedMessage:
    return replace(
        message, octets=b"", reader=None, body_octets=0, header_octets=0, dotted_line_count=0
    )


def _overdue(row: Row) -> OverdueCopy:
    message_id, copy_no, recipient, reverse_path, notify, at_s, tell_at_s, hop, *last = row
    words, status, is_held, may_end = last
    return OverdueCopy(
        ref=CopyRef(message_id, copy_no),
        recipient=recipient,
        reverse_path=reverse_path,
        notify=Notify(notify or 0),
        accepted_at_s=at_s,
        tell_at_s=tell_at_s,
        next_hop=hop,
        last_words=words,
        last_status=status,
        is_held=bool(is_held),
        may_end=bool(may_end),
    )
