"""Reports that are owed: what they must say, and that each is made once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from mailserver.queue.reports import EXPIRED, REPORT_COPIES, ReportKind
from mailserver.store.ports.queue import Attempt, CopyRef, OwedCopy, OwedReport, ReportMade, Settled
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection, Engine, Row
from mailserver.values.ids import MessageId

LOOK_AHEAD: Final = 2_000
"""Owed lines, the oldest first, among which the next reports are found."""

_OLDEST = """
    SELECT message_id, kind FROM owed_report
    ORDER BY owed_at_s, message_id, copy_no, kind LIMIT ?"""
# Notes of operators have no status and say nothing to a sender; nor does a line of many copies,
# of which none owed anything when they were relayed.
_LINES = f"""
    SELECT owed_report.copy_no, owed_report.kind, owed_at_s, recipient, original_recipient,
        CASE WHEN queue.message_id IS NULL THEN NULL ELSE accepted_at_s END,
        told_as,
        CASE WHEN destination.not_before_s > 0 THEN destination.last_error ELSE '' END,
        attempt.at_s, attempt.host, attempt.address, attempt.tls, attempt.status, attempt.words,
        attempt.phase,
        earlier.at_s, earlier.host, earlier.address, earlier.tls, earlier.status, earlier.words,
        earlier.phase
    FROM owed_report
        JOIN copy ON copy.message_id = owed_report.message_id
            AND copy.copy_no = owed_report.copy_no
        JOIN message ON message.message_id = owed_report.message_id
        LEFT JOIN queue ON queue.message_id = owed_report.message_id
            AND queue.copy_no = owed_report.copy_no
        LEFT JOIN destination ON destination.destination_id = queue.destination_id
        LEFT JOIN attempt ON attempt.message_id = owed_report.message_id
            AND attempt.copy_no = owed_report.copy_no
            AND attempt.number = (SELECT max(number) FROM attempt AS tried
                WHERE tried.message_id = owed_report.message_id
                    AND tried.copy_no = owed_report.copy_no AND tried.status <> ''
                    AND tried.last_no IS NULL)
        LEFT JOIN attempt AS earlier ON attempt.status = '{EXPIRED}'
            AND earlier.message_id = owed_report.message_id
            AND earlier.copy_no = owed_report.copy_no
            AND earlier.number = (SELECT max(number) FROM attempt AS answered
                WHERE answered.message_id = owed_report.message_id
                    AND answered.copy_no = owed_report.copy_no
                    AND answered.status NOT IN ('', '{EXPIRED}')
                    AND answered.last_no IS NULL)
    WHERE owed_report.message_id = ? AND owed_report.kind = ?
    ORDER BY owed_report.copy_no LIMIT ?"""

_STILL_OWED = """
    WITH cleared (message_id, copy_no, kind) AS ({rows:integer integer integer})
    SELECT owed_report.message_id, owed_report.copy_no, owed_report.kind
    FROM cleared JOIN owed_report ON owed_report.message_id = cleared.message_id
        AND owed_report.copy_no = cleared.copy_no AND owed_report.kind = cleared.kind"""
_CLEAR = """
    DELETE FROM owed_report WHERE (message_id, copy_no, kind) IN ({rows:integer integer integer})"""
_SPEND = """
    INSERT INTO spent (message_id) {rows:integer} ON CONFLICT (message_id) DO NOTHING"""


def clear(connection: Connection, made: ReportMade) -> Settled:
    """Clear what this report says; `lost`, and nothing done, where another one said it."""
    wanted = [(ref.message_id, ref.copy_no, kind.value) for ref, kind in made.cleared]
    owed = set(select(connection, _STILL_OWED, wanted))
    lost = [CopyRef(key[0], key[1]) for key in wanted if key not in owed]
    if not lost:
        insert(connection, _CLEAR, wanted)
        # Its body may have been kept for this report alone: the reclaimer looks again.
        insert(connection, _SPEND, sorted({key[:1] for key in wanted}))
    return Settled(tuple(lost))


class SqlOwedReports:
    def __init__(self, engine: Engine, *, expire_after_s: float) -> None:
        """
        expire_after_s: how long a copy is tried at all.
        """
        self._engine = engine
        self._expire_after_s = expire_after_s

    def owed_reports(self, *, limit: int) -> list[OwedReport]:
        oldest = dict.fromkeys(self._engine.read(_OLDEST, (LOOK_AHEAD,)))
        return [self._read(message_id, kind) for message_id, kind in islice(oldest, limit)]

    def _read(self, message_id: MessageId, kind: int) -> OwedReport:
        rows = self._engine.read(_LINES, (message_id, kind, REPORT_COPIES))
        return OwedReport(
            message_id=message_id,
            kind=ReportKind(kind),
            copies=tuple(self._line(message_id, row) for row in rows),
        )

    def _line(self, message_id: MessageId, row: Row) -> OwedCopy:
        copy_no, kind, owed_at_s, recipient, original_recipient, since_s, told_as, *rest = row
        hop_error, tried, earlier = rest[0], rest[1:8], rest[8:]
        expires_at_s = None if since_s is None else since_s + self._expire_after_s
        return OwedCopy(
            ref=CopyRef(message_id, copy_no),
            kind=ReportKind(kind),
            owed_at_s=owed_at_s,
            recipient=recipient,
            original_recipient=original_recipient or "",
            told_as=told_as or "",
            attempt=None if tried[0] is None else _attempt(tried),
            expires_at_s=expires_at_s,
            before=None if earlier[0] is None else _attempt(earlier),
            hop_error=hop_error or "",
        )


def _attempt(row: Sequence[Any]) -> Attempt:
    at_s, host, address, tls, status, words, phase = row
    return Attempt(
        at_s=at_s,
        host=host,
        address=address,
        tls=tls,
        status=status,
        words=words,
        phase=phase or "",
    )
