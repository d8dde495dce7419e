"""Faults of bodies as they are met: one loud line each, and a note for `status`.

The notes are in a table that may be lost, and then the faults are met
again.  However many bodies are gone, the log gets `LINES` lines an hour of each
process and the notes stay at `MOST_NOTES`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from mailserver.store.ports.bodies import BodyFault
from mailserver.telemetry.log import get_log
from mailserver.values.ids import MessageId

LINES: Final = 20
AGAIN_S: Final = 3600.0
MOST_NOTES: Final = 1_000
SCHEMA: Final = """
CREATE {lossy}TABLE IF NOT EXISTS faulty_body (
    name TEXT PRIMARY KEY, message_id {integer} NOT NULL, why TEXT NOT NULL,
    is_lost {integer} NOT NULL, at_octet {integer} NOT NULL, at_s {real} NOT NULL) {clustered};
"""
_NOTE = f"""
    INSERT INTO faulty_body (name, message_id, why, is_lost, at_octet, at_s)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6
    WHERE (SELECT count(*) FROM faulty_body WHERE name <> ?1) < {MOST_NOTES}
    ON CONFLICT (name) DO UPDATE SET message_id = excluded.message_id, why = excluded.why,
        is_lost = excluded.is_lost, at_octet = excluded.at_octet, at_s = excluded.at_s"""
_READ = "SELECT message_id, name, why, is_lost, at_octet FROM faulty_body ORDER BY at_s LIMIT ?"
_BROKEN_AT = "SELECT at_octet FROM faulty_body WHERE name = ?"
_FORGET = "DELETE FROM faulty_body WHERE name = ?"

Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


class SqlFaults:
    """run: rows, or none where the table does not answer."""

    def __init__(self, run: Run, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock_s = clock_s
        self._log = get_log("store")
        self._lock = threading.Lock()
        self._hour_began_s = -AGAIN_S
        self._told: set[str] = set()  # names, of this hour

    def note(self, fault: BodyFault) -> None:
        """The first time in an hour; on any thread."""
        with self._lock:
            now_s = self._clock_s()
            if now_s - self._hour_began_s >= AGAIN_S:
                self._hour_began_s = now_s
                self._told.clear()
            if fault.name in self._told or len(self._told) > MOST_NOTES:
                return
            self._told.add(fault.name)
            count = len(self._told)
        # Integer seconds of Unix time do for the order in which they are shown.
        values = (fault.name, fault.message_id, fault.why, int(fault.is_lost), fault.at_octet)
        self._run(_NOTE, (*values, time.time()))
        if count <= LINES:
            event = "body lost" if fault.is_lost else "body unreadable"
            self._log.error(
                f"{event}: a message that was accepted cannot be read",
                message_id=fault.message_id,
                file=f"bodies/{fault.name[:2]}/{fault.name}",
                why=fault.why,
            )
        elif count == LINES + 1:
            self._log.error("more bodies cannot be read: `mailserver status` counts them")

    def known(self, limit: int = MOST_NOTES) -> list[BodyFault]:
        """The oldest first; any of them may be well by now."""
        return [
            BodyFault(
                message_id=MessageId(message_id),
                name=name,
                why=why,
                is_lost=bool(is_lost),
                at_octet=at_octet,
            )
            for message_id, name, why, is_lost, at_octet in self._run(_READ, (limit,))
        ]

    def broken_at(self, name: str) -> int:
        """The octet where a reader has failed, in whatever process; 0: nowhere, or at the first."""
        rows = self._run(_BROKEN_AT, (name,))
        return rows[0][0] if rows else 0

    def forget(self, name: str) -> None:
        self._run(_FORGET, (name,))
