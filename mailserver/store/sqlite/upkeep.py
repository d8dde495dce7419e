"""The part of the embedded store that keeps house: its log, its reserve, the room on the disk."""

from __future__ import annotations

from typing import Any

from mailserver.store.files.bodies import BodyFiles
from mailserver.store.files.reserve import Reserve
from mailserver.store.ports.bodies import DiskRoom
from mailserver.store.ports.errors import StoreFull
from mailserver.store.sql.upkeep import Kept, SqlUpkeep
from mailserver.store.sqlite.engine import ROOM_SLACK_OCTETS, SqliteEngine

RESTART_FRACTION = 0.5
"""Under a load that never pauses, no move is whole: from this part of the limit, writers wait."""


class SqliteBodies:
    """The `Bodies` port."""

    def __init__(self, engine: SqliteEngine, files: BodyFiles, reserve: Reserve) -> None:
        self._engine = engine
        self._files = files
        self._reserve = reserve
        self.open_spool = files.open_spool

    def disk_room(self) -> DiskRoom:
        free_octets, total_octets = self._files.room()
        return DiskRoom(
            total_octets=total_octets,
            free_octets=max(0, free_octets - self._reserve.owed_octets()),
            reusable_octets=self._engine.reusable_octets(),
        )


class SqliteUpkeep(SqlUpkeep):
    """The `Upkeep` port."""

    def __init__(
        self,
        engine: SqliteEngine,
        kept: Kept,
        *,
        wal_limit_octets: int,
        reserve: Reserve,
        **parts: Any,
    ) -> None:
        """parts: of `SqlUpkeep`."""
        super().__init__(kept, **parts)
        self._engine = engine
        self._wal_limit_octets = wal_limit_octets
        self._reserve = reserve
        self.log_octets = engine.log_octets

    def checkpoint(self) -> int:
        try:
            in_use_octets = self._engine.move_log()
        except StoreFull:  # the database must grow to take it, and then nothing more
            with self._engine.write_turn():
                self._engine.make_room()
            in_use_octets = self._engine.move_log()
        if in_use_octets > self._wal_limit_octets * RESTART_FRACTION:
            with self._engine.write_turn():
                self._engine.restart_log()
        return in_use_octets

    def keep_reserve(self) -> bool:
        if self._reserve.is_full():
            return True
        # New mail counts it as taken, whether it is there or owed.
        least_octets = self._reserve.wanted_octets + ROOM_SLACK_OCTETS
        return self._files.room()[0] >= least_octets and self._reserve.fill()
