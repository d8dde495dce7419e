"""Destinations: where what waits for one next hop is counted as due.

`next_due_at_s` is never later than the truth: whoever queues lowers it, and
only a lease, which looks at all that is left, raises it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection

_FIND = """
    SELECT next_hop, destination_id, next_due_at_s FROM destination
    WHERE next_hop IN ({rows:text})"""
_ADD = """
    INSERT INTO destination (next_hop, not_before_s, failure_count, last_error) {rows:text real
        integer text}
    ON CONFLICT (next_hop) DO UPDATE SET next_hop = excluded.next_hop
    RETURNING next_hop, destination_id, next_due_at_s"""
_LOWER = """
    WITH due (destination_id, at_s) AS ({rows:integer real})
    UPDATE destination SET next_due_at_s = due.at_s
    FROM due WHERE destination.destination_id = due.destination_id
        AND (next_due_at_s IS NULL OR next_due_at_s > due.at_s)"""


class Place(NamedTuple):
    """One destination, and when it is due as it knows by now; None: never."""

    destination_id: int
    next_due_at_s: float | None


def find_or_add(connection: Connection, next_hops: Iterable[str]) -> dict[str, int]:
    """next hop -> destination; those that are new are made."""
    places = _places(connection, next_hops)
    return {hop: place.destination_id for hop, place in places.items()}


def queue_at(connection: Connection, next_hops: Mapping[str, float | None]) -> dict[str, int]:
    """The same, for hops that get something that is due then, or None where it is held."""
    places = _places(connection, next_hops)
    due: dict[int, float] = {}
    for hop, at_s in next_hops.items():
        destination_id, known_s = places[hop]
        if at_s is not None and (known_s is None or known_s > at_s):
            due[destination_id] = at_s
    lower(connection, due)
    return {hop: place.destination_id for hop, place in places.items()}


def lower(connection: Connection, due: Mapping[int, float]) -> None:
    """destination -> when something of it is due: earlier than it knew, or nothing changes."""
    insert(connection, _LOWER, sorted(due.items()))


def _places(connection: Connection, next_hops: Iterable[str]) -> dict[str, Place]:
    wanted = set(next_hops)
    rows = select(connection, _FIND, [(hop,) for hop in sorted(wanted)])
    if missing := sorted(wanted - {row[0] for row in rows}):
        rows += select(connection, _ADD, [(hop, 0.0, 0, "") for hop in missing])
    return {row[0]: Place(*row[1:]) for row in rows}
