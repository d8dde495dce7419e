"""The embedded store: everything of one service in one folder.

    mail.db, mail.db-wal, mail.db-shm   accounts, messages, copies, entries
    bodies/                             large bodies (see `mailserver.store.files.bodies`)
    scratch.db                          what may be lost
    trace.db                            the index of journeys, made from mail.db
    locks/<mailbox>                     maildrop locks
    locks/agent-<n>                     delivery agents that live
    wakeup                              a FIFO that tells them that something is due
    write.lock, keeper.lock             the write turn; who keeps house
    backup.lock                         held by a backup: no body's file is removed meanwhile

Open it once per process, after the fork.  SQLite's rules hold: nothing else in
the process opens these files by other means, and the folder is on a local disk.
"""

from __future__ import annotations

from pathlib import Path

from mailserver.keys.making import sync_folder
from mailserver.settings.model import MIB
from mailserver.store.files.bodies import HOLD_LOCK, BodyFiles
from mailserver.store.files.locks import FileLocks
from mailserver.store.files.private import make_private_file, make_private_folder
from mailserver.store.files.reserve import Reserve
from mailserver.store.files.room import LOGS, RoomRules
from mailserver.store.moments import DEFAULT_RULES, MomentRules
from mailserver.store.ports.errors import StoreFull
from mailserver.store.sql.faces import (
    ClockFace,
    HistoryFace,
    MailFace,
    PeopleFace,
    QueueFace,
    RecoveryFace,
)
from mailserver.store.sql.history.tracing import SqlTracing
from mailserver.store.sql.lists.lists import SqlLists
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.reclaim import SqlReclaimer
from mailserver.store.sql.migrations import migrate
from mailserver.store.sql.people.accounts import SqlDirectory
from mailserver.store.sql.queue.policies import SqlPolicies
from mailserver.store.sql.upkeep import Kept
from mailserver.store.sql.writes import SqlWrites
from mailserver.store.sqlite.engine import DATABASE, SqliteEngine
from mailserver.store.sqlite.log_index import is_in_use
from mailserver.store.sqlite.scratch import SqliteScratch
from mailserver.store.sqlite.snapshot import SqliteBackups
from mailserver.store.sqlite.trace_index import SqliteTraceIndex
from mailserver.store.sqlite.upkeep import SqliteBodies, SqliteUpkeep
from mailserver.store.sqlite.wakeup import WakeupPipe
from mailserver.values.calendar import Calendar

DAY_S = 86_400.0
RESERVE_FRACTION = 1 / 8
"""The reserve is as large as `LOGS` logs at their limit; never more than this part of the disk."""
START_OCTETS = 2 * MIB
"""What the first process needs: logs and their indexes, of three databases."""
DEFAULT_ROOM = RoomRules()
YEAR_S = 365.25 * DAY_S


class SqliteStore:
    """The `Store` port."""

    def __init__(
        self,
        folder: Path,
        *,
        wal_limit_octets: int = 64 * MIB,
        keep_removed_s: float = 7 * DAY_S,
        keep_history_s: float = 30 * DAY_S,
        sign_in_lifetime_s: float = DAY_S,
        expire_after_s: float = 5 * DAY_S,
        quarantine_s: float = 5 * YEAR_S,
        moments: MomentRules = DEFAULT_RULES,
        room: RoomRules = DEFAULT_ROOM,
        time_zone: str = "UTC",
    ) -> None:
        """time_zone: of the days in histories and refusals.  quarantine_s: of deleted names."""
        self._folder = folder
        self._wal_limit_octets = wal_limit_octets
        self._files = BodyFiles(folder / "bodies")
        self._prepare_folder()
        wanted_octets = min(LOGS * wal_limit_octets, int(self._files.room()[1] * RESERVE_FRACTION))
        self._reserve = Reserve(folder / "reserve", wanted_octets=wanted_octets)
        engine = self._engine = self._opened_engine()
        self.counters = SqliteScratch(folder / "scratch.db")
        self.locks = FileLocks(folder, make_room=self._reserve.release)
        self._wakeup = WakeupPipe(folder / "wakeup")
        wake, calendar = self._wakeup.wake, Calendar(time_zone)
        bodies = self._bodies = SqlBodies(engine, self._files, self.counters.faults)
        self._index = SqliteTraceIndex(folder / "trace.db")
        tracing = SqlTracing(engine, self._index, read_beginning=bodies.read_beginning)
        self.writes = SqlWrites(engine, wake=wake)
        self.bodies = SqliteBodies(engine, self._files, self._reserve)
        self.mail = MailFace(engine, bodies)
        self.queue = QueueFace(
            engine,
            bodies,
            slots=self.locks.slots,
            wakeup=self._wakeup,
            expire_after_s=expire_after_s,
        )
        self.accounts = SqlDirectory(engine, quarantine_s=quarantine_s, calendar=calendar)
        self.people = PeopleFace(engine, calendar)
        self.recovery = RecoveryFace(engine)
        self.lists = SqlLists(engine, wake=wake)
        self.history = HistoryFace(engine, tracing, self.counters)
        self.policies = SqlPolicies(engine)
        self.clock = ClockFace(engine, moments, self.counters, wake=wake)
        self.backups = SqliteBackups(folder, self._files, bodies, self.counters.faults)
        self._reclaimer = SqlReclaimer(
            engine, lock_maildrop=self.locks.lock_maildrop, unlink_all=self._files.unlink_all
        )
        self.upkeep = self._make_upkeep(
            Kept(
                removed_s=keep_removed_s,
                history_s=keep_history_s,
                sign_in_lifetime_s=sign_in_lifetime_s,
                room=room,
            ),
            tracing,
        )

    def _make_upkeep(self, kept: Kept, tracing: SqlTracing) -> SqliteUpkeep:
        return SqliteUpkeep(
            self._engine,
            kept,
            wal_limit_octets=self._wal_limit_octets,
            reserve=self._reserve,
            files=self._files,
            bodies=self._bodies,
            reclaimer=self._reclaimer,
            tracing=tracing,
            counters=self.counters,
            disk_room=self.bodies.disk_room,
            removed_room=self.mail.removed_room,
        )

    def close(self) -> None:
        self.counters.close()
        self._index.close()
        self.locks.close()
        self._wakeup.close()
        self._engine.close()

    def _opened_engine(self) -> SqliteEngine:
        """Also on a full disk: people must be able to remove what fills it."""
        is_first = not is_in_use(str(self._folder / DATABASE))
        if is_first and self._files.room()[0] < START_OCTETS:
            self._reserve.release()
        try:
            return self._open_engine()
        except StoreFull:
            if not self._reserve.release():
                raise
        return self._open_engine()

    def _open_engine(self) -> SqliteEngine:
        limit_octets = self._wal_limit_octets
        engine = SqliteEngine(self._folder, log_limit_octets=limit_octets, reserve=self._reserve)
        try:
            migrate(engine)
        except BaseException:
            engine.close()
            raise
        return engine

    def _prepare_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private_folder(self._folder)
            sync_folder(str(self._folder.parent))
        make_private_folder(self._folder / "locks")
        self._files.prepare()
        make_private_file(self._folder / HOLD_LOCK)  # now: on a full disk there may be no room
        sync_folder(str(self._folder))
