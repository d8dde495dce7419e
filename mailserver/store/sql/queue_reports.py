"""Reports that are owed: what they must say, and that each is made once."""

from __future__ import annotations

from mailserver.store.queueing import CopyRef, ReportMade, Settled
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection

_STILL_OWED = """
    WITH cleared (message_id, copy_no, kind) AS (VALUES {rows})
    SELECT owed_report.message_id, owed_report.copy_no, owed_report.kind
    FROM cleared JOIN owed_report ON owed_report.message_id = cleared.message_id
        AND owed_report.copy_no = cleared.copy_no AND owed_report.kind = cleared.kind"""
_CLEAR = "DELETE FROM owed_report WHERE (message_id, copy_no, kind) IN (VALUES {rows})"
_SPEND = """
    INSERT INTO spent (message_id) VALUES {rows} ON CONFLICT (message_id) DO NOTHING"""


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
