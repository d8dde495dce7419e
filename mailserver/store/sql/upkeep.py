"""The part of a store that keeps house: what is freed, what is forgotten, whatever the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailserver.store.files.bodies import SHARDS, BodyFiles
from mailserver.store.files.room import RoomRules
from mailserver.store.ports.bodies import DiskRoom
from mailserver.store.ports.lists import SEEN_S
from mailserver.store.ports.mail import RemovedRoom
from mailserver.store.ports.upkeep import Reclaimed
from mailserver.store.sql.counters.counters import SqlCounters
from mailserver.store.sql.history.tracing import SqlTracing
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.reclaim import SqlReclaimer

DAY_S: Final = 86_400.0
CHECK_BODIES_S: Final = 10.0
"""A slice of reclaiming that comes sooner looks at no body's file: each may be a seek."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long things are kept, and how much of the disk what is removed may hold."""

    removed_s: float
    history_s: float
    sign_in_lifetime_s: float
    room: RoomRules


class SqlUpkeep:
    """What the `Upkeep` ports of all engines have in common."""

    def __init__(
        self,
        kept: Kept,
        *,
        files: BodyFiles,
        bodies: SqlBodies,
        reclaimer: SqlReclaimer,
        tracing: SqlTracing,
        counters: SqlCounters,
        disk_room: Callable[[], DiskRoom],
        removed_room: Callable[[], RemovedRoom],
    ) -> None:
        self._kept = kept
        self._files = files
        self._bodies = bodies
        self._reclaimer = reclaimer
        self._counters = counters
        self._disk_room = disk_room
        self._removed_room = removed_room
        self._next_shard = 0
        self._bodies_checked_at_s = 0.0
        self.index_journeys = tracing.follow

    def reclaim(self, *, now_s: float) -> Reclaimed:
        reclaimed = self._reclaimer.reclaim(
            removed_before_s=now_s - self._kept.removed_s, is_crowded=self._is_crowded
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
        return self._kept.room.is_short(self._disk_room()) and self._removed_room().count > 0

    def _is_crowded(self) -> bool:
        room, removed = self._disk_room(), self._removed_room()
        rules = self._kept.room
        return removed.count > 0 and (rules.is_over(room, removed.octets) or rules.is_short(room))

    def expire_history(self, *, now_s: float) -> int:
        self._counters.forget_sign_ins(before_s=now_s - self._kept.sign_in_lifetime_s)
        self._counters.forget_collected(before_s=now_s - self._kept.history_s)
        self._counters.attempts.forget(before_s=now_s - DAY_S)
        self._counters.repeats.forget(now_s=now_s)
        seen_count = self._reclaimer.forget_seen(before_s=now_s - SEEN_S)
        before_s = now_s - self._kept.history_s
        return seen_count + self._reclaimer.expire(accepted_before_s=before_s, now_s=now_s)
