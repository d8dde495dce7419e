"""The part of the embedded store that keeps house: the log, what is freed, the room on the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailserver.store.files.bodies import SHARDS, BodyFiles
from mailserver.store.files.reserve import Reserve
from mailserver.store.files.room import RoomRules
from mailserver.store.ports.bodies import DiskRoom
from mailserver.store.ports.errors import StoreFull
from mailserver.store.ports.lists import SEEN_S
from mailserver.store.ports.mail import RemovedRoom
from mailserver.store.ports.upkeep import Reclaimed
from mailserver.store.sql.history.tracing import SqlTracing
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.reclaim import SqlReclaimer
from mailserver.store.sqlite.engine import ROOM_SLACK_OCTETS, SqliteEngine
from mailserver.store.sqlite.scratch import SqliteScratch

DAY_S = 86_400.0
RESTART_FRACTION = 0.5
"""Under a load that never pauses, no move is whole: from this part of the limit, writers wait."""

CHECK_BODIES_S = 10.0
"""A slice of reclaiming that comes sooner looks at no body's file: each may be a seek."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long things are kept, and how large the log may get."""

    wal_limit_octets: int
    keep_removed_s: float
    keep_history_s: float
    sign_in_lifetime_s: float
    room: RoomRules


class SqliteUpkeep:
    """The `Upkeep` port."""

    def __init__(
        self,
        engine: SqliteEngine,
        terms: Terms,
        *,
        files: BodyFiles,
        bodies: SqlBodies,
        reserve: Reserve,
        reclaimer: SqlReclaimer,
        tracing: SqlTracing,
        scratch: SqliteScratch,
        disk_room: Callable[[], DiskRoom],
        removed_room: Callable[[], RemovedRoom],
    ) -> None:
        self._engine = engine
        self._terms = terms
        self._files = files
        self._bodies = bodies
        self._reserve = reserve
        self._reclaimer = reclaimer
        self._scratch = scratch
        self._disk_room = disk_room
        self._removed_room = removed_room
        self._next_shard = 0
        self._bodies_checked_at_s = 0.0
        self.index_journeys = tracing.follow
        self.log_octets = engine.log_octets

    def checkpoint(self) -> int:
        try:
            in_use_octets = self._engine.move_log()
        except StoreFull:  # the database must grow to take it, and then nothing more
            with self._engine.write_turn():
                self._engine.make_room()
            in_use_octets = self._engine.move_log()
        if in_use_octets > self._terms.wal_limit_octets * RESTART_FRACTION:
            with self._engine.write_turn():
                self._engine.restart_log()
        return in_use_octets

    def reclaim(self, *, now_s: float) -> Reclaimed:
        reclaimed = self._reclaimer.reclaim(
            removed_before_s=now_s - self._terms.keep_removed_s, is_crowded=self._is_crowded
        )
        shard = ("tmp", *SHARDS)[self._next_shard]
        self._next_shard = (self._next_shard + 1) % (len(SHARDS) + 1)
        swept = self._files.orphans(shard, now_s=now_s, is_named=self._reclaimer.is_named)
        if not 0 <= now_s - self._bodies_checked_at_s < CHECK_BODIES_S:
            self._bodies_checked_at_s = now_s
            self._bodies.check_slice()  # the other way round: rows without their file
        return Reclaimed(
            reclaimed.entry_count, reclaimed.message_count, reclaimed.file_count + len(list(swept))
        )

    def must_make_room(self) -> bool:
        return self._terms.room.is_short(self._disk_room()) and self._removed_room().count > 0

    def _is_crowded(self) -> bool:
        room, removed = self._disk_room(), self._removed_room()
        rules = self._terms.room
        return removed.count > 0 and (rules.is_over(room, removed.octets) or rules.is_short(room))

    def keep_reserve(self) -> bool:
        if self._reserve.is_full():
            return True
        # New mail counts it as taken, whether it is there or owed.
        least_octets = self._reserve.wanted_octets + ROOM_SLACK_OCTETS
        return self._files.room()[0] >= least_octets and self._reserve.fill()

    def expire_history(self, *, now_s: float) -> int:
        self._scratch.forget_sign_ins(before_s=now_s - self._terms.sign_in_lifetime_s)
        self._scratch.forget_collected(before_s=now_s - self._terms.keep_history_s)
        self._scratch.attempts.forget(before_s=now_s - DAY_S)
        self._scratch.repeats.forget(now_s=now_s)
        seen_count = self._reclaimer.forget_seen(before_s=now_s - SEEN_S)
        before_s = now_s - self._terms.keep_history_s
        return seen_count + self._reclaimer.expire(accepted_before_s=before_s, now_s=now_s)
