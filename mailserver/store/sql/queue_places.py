"""Destinations: where what waits for one next hop is counted as due.

`next_due_at_s` is never later than the truth: whoever queues lowers it, and
only a lease, which looks at all that is left, raises it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection

_FIND = "SELECT next_hop, destination_id FROM destination WHERE next_hop IN (VALUES {rows})"
_ADD = """
    INSERT INTO destination (next_hop, not_before_s, failure_count, last_error) VALUES {rows}
    ON CONFLICT (next_hop) DO UPDATE SET next_hop = excluded.next_hop
    RETURNING next_hop, destination_id"""
_LOWER = """
    WITH due (destination_id, at_s) AS (VALUES {rows})
    UPDATE destination SET next_due_at_s = due.at_s
    FROM due WHERE destination.destination_id = due.destination_id
        AND (next_due_at_s IS NULL OR next_due_at_s > due.at_s)"""


def find_or_add(connection: Connection, next_hops: Iterable[str]) -> dict[str, int]:
    """next hop -> destination; those that are new are made."""
    wanted = set(next_hops)
    found: dict[str, int] = dict(select(connection, _FIND, [(hop,) for hop in sorted(wanted)]))
    missing = sorted(wanted - found.keys())
    if missing:
        found.update(select(connection, _ADD, [(hop, 0.0, 0, "") for hop in missing]))
    return found


def lower(connection: Connection, due: Mapping[int, float]) -> None:
    """destination -> when something of it is due: earlier than it knew, or nothing changes."""
    insert(connection, _LOWER, sorted(due.items()))
