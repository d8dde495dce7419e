"""The part of the embedded store that keeps house: the log, what is freed, the room on the disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mailserver.store.files.bodies import SHARDS, BodyFiles
from mailserver.store.files.private import open_private
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
from mailserver.store.sql.moments import SqlMoments
from mailserver.store.sqlite.engine import ROOM_SLACK_OCTETS, SqliteEngine
from mailserver.store.sqlite.scratch import SqliteScratch

DAY_S = 86_400.0
RESTART_FRACTION = 0.5
"""Under a load that never pauses, no move is whole: from this part of the limit, writers wait."""

CHECK_BODIES_S = 10.0
"""A slice of reclaiming that comes sooner looks at no body's file: each may be a seek."""


class SqliteStoreUpkeep:
    """The `Upkeep` port, over parts that `SqliteStore` makes."""

    _folder: Path
    _engine: SqliteEngine
    _files: BodyFiles
    _bodies: SqlBodies
    _reserve: Reserve
    _room_rules: RoomRules
    _reclaimer: SqlReclaimer
    _tracing: SqlTracing
    _scratch: SqliteScratch
    _moments: SqlMoments
    _wal_limit_octets: int
    _keep_removed_s: float
    _keep_history_s: float
    _sign_in_lifetime_s: float
    _keeper_fd: int
    _next_shard: int
    _bodies_checked_at_s: float = 0.0
    removed_room: Callable[[], RemovedRoom]

    def disk_room(self) -> DiskRoom:
        free_octets, total_octets = self._files.room()
        return DiskRoom(
            total_octets=total_octets,
            free_octets=max(0, free_octets - self._reserve.owed_octets()),
            reusable_octets=self._engine.reusable_octets(),
        )

    def become_keeper(self) -> bool:
        if self._keeper_fd >= 0:
            return True
        fd = open_private(self._folder / "keeper.lock")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._keeper_fd = fd
        return True

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

    def log_octets(self) -> int:
        return self._engine.log_octets()

    def reclaim(self, *, now_s: float) -> Reclaimed:
        reclaimed = self._reclaimer.reclaim(
            removed_before_s=now_s - self._keep_removed_s, is_crowded=self._is_crowded
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
        return self._room_rules.is_short(self.disk_room()) and self.removed_room().count > 0

    def _is_crowded(self) -> bool:
        room, removed = self.disk_room(), self.removed_room()
        rules = self._room_rules
        return removed.count > 0 and (rules.is_over(room, removed.octets) or rules.is_short(room))

    def keep_reserve(self) -> bool:
        if self._reserve.is_full():
            return True
        # New mail counts it as taken, whether it is there or owed.
        least_octets = self._reserve.wanted_octets + ROOM_SLACK_OCTETS
        return self._files.room()[0] >= least_octets and self._reserve.fill()

    def expire_history(self, *, now_s: float) -> int:
        self._scratch.forget_sign_ins(before_s=now_s - self._sign_in_lifetime_s)
        self._scratch.forget_collected(before_s=now_s - self._keep_history_s)
        self._scratch.attempts.forget(before_s=now_s - DAY_S)
        self._scratch.repeats.forget(now_s=now_s)
        seen_count = self._reclaimer.forget_seen(before_s=now_s - SEEN_S)
        before_s = now_s - self._keep_history_s
        return seen_count + self._reclaimer.expire(accepted_before_s=before_s, now_s=now_s)

    def bound_moments(
        self, clock: Callable[[], float], *, only_waits: bool = False
    ) -> Iterator[int]:
        if not only_waits:
            yield self._scratch.bound_moments(now_s=clock())
        yield from self._moments.bound_moments(clock, only_waits=only_waits)

    def index_journeys(self) -> int:
        return self._tracing.follow()
