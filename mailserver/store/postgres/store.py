"""A store on PostgreSQL, for tests: the same parts as the embedded one, over another engine.

    schema public   what the migrations make
    schema aside    what may be lost: counters, the index of journeys (tables without a log)
    <folder>        large bodies, as files; every process sees the same folder
    advisory locks  the turn to write, maildrops, agents, the keeper
    NOTIFY          something may be due

Who opens it makes and migrates it, where need be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mailserver.store.files.bodies import HOLD_LOCK, BodyFiles
from mailserver.store.files.private import make_private_file, make_private_folder
from mailserver.store.files.room import RoomRules
from mailserver.store.moments import DEFAULT_RULES, MomentRules
from mailserver.store.ports.bodies import DiskRoom
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.upkeep import Snapshot, Told
from mailserver.store.postgres import trace_index
from mailserver.store.postgres.counters import PostgresCounters
from mailserver.store.postgres.engine import PostgresEngine
from mailserver.store.postgres.locks import PostgresLocks
from mailserver.store.postgres.wakeup import Wakeup
from mailserver.store.sql import faces
from mailserver.store.sql.counters.counters import SCHEMA
from mailserver.store.sql.counters.faults import SqlFaults
from mailserver.store.sql.history.tracing import SqlTracing
from mailserver.store.sql.lists.lists import SqlLists
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.care import SqlBackups
from mailserver.store.sql.mail.reclaim import SqlReclaimer
from mailserver.store.sql.migrations import migrate
from mailserver.store.sql.people.accounts import SqlDirectory
from mailserver.store.sql.queue.policies import SqlPolicies
from mailserver.store.sql.upkeep import Kept, SqlUpkeep
from mailserver.store.sql.writes import SqlWrites
from mailserver.values.calendar import Calendar

ASIDE: Final = "aside"
_DAY_S: Final = 86_400.0
_ROOM: Final = RoomRules()


class PostgresStore:
    """The `Store` port."""

    def __init__(
        self,
        conninfo: str,
        folder: Path,
        *,
        keep_removed_s: float = 7 * _DAY_S,
        keep_history_s: float = 30 * _DAY_S,
        expire_after_s: float = 5 * _DAY_S,
        quarantine_s: float = 5 * 365.25 * _DAY_S,
        moments: MomentRules = DEFAULT_RULES,
        time_zone: str = "UTC",
    ) -> None:
        """conninfo: of the database.  folder: of bodies, on a disk that all processes share."""
        files = _body_files(folder)
        engine, self._aside = _opened(conninfo)
        self._engine = engine
        self._wakeup = Wakeup(conninfo, engine)
        wake, calendar = self._wakeup.wake, Calendar(time_zone)
        self.counters = PostgresCounters(self._aside)
        self.locks = PostgresLocks(conninfo)
        bodies = SqlBodies(engine, files, self.counters.faults)
        index = trace_index.PostgresTraceIndex(self._aside)
        tracing = SqlTracing(engine, index, read_beginning=bodies.read_beginning)
        self.writes = SqlWrites(engine, wake=wake)
        self.bodies = PostgresBodies(files)
        self.mail = faces.MailFace(engine, bodies)
        self.queue = faces.QueueFace(
            engine,
            bodies,
            slots=self.locks.slots,
            wakeup=self._wakeup,
            expire_after_s=expire_after_s,
        )
        self.accounts = SqlDirectory(engine, quarantine_s=quarantine_s, calendar=calendar)
        self.people = faces.PeopleFace(engine, calendar)
        self.recovery = faces.RecoveryFace(engine)
        self.lists = SqlLists(engine, wake=wake)
        self.history = faces.HistoryFace(engine, tracing, self.counters)
        self.policies = SqlPolicies(engine)
        self.clock = faces.ClockFace(engine, moments, self.counters, wake=wake)
        self.backups = PostgresBackups(engine, files, bodies, self.counters.faults)
        self._reclaimer = SqlReclaimer(
            engine, lock_maildrop=self.locks.lock_maildrop, unlink_all=files.unlink_all
        )
        self.upkeep = PostgresUpkeep(
            Kept(keep_removed_s, keep_history_s, _DAY_S, _ROOM),
            files=files,
            bodies=bodies,
            reclaimer=self._reclaimer,
            tracing=tracing,
            counters=self.counters,
            disk_room=self.bodies.disk_room,
            removed_room=self.mail.removed_room,
        )

    def close(self) -> None:
        """May be called again."""
        self._wakeup.close()
        self.locks.close()
        self._aside.close()
        self._engine.close()


class PostgresBodies:
    """The `Bodies` port: files, while the database is elsewhere."""

    def __init__(self, files: BodyFiles) -> None:
        self._files = files
        self.open_spool = files.open_spool

    def disk_room(self) -> DiskRoom:
        """Of the folder of bodies; the server's own disk is not ours to look at."""
        free_octets, total_octets = self._files.room()
        return DiskRoom(total_octets=total_octets, free_octets=free_octets, reusable_octets=0)


class PostgresBackups(SqlBackups):
    """The `Backups` port: bodies as ever; a server's database is copied with its own tools."""

    def __init__(
        self, engine: PostgresEngine, files: BodyFiles, bodies: SqlBodies, faults: SqlFaults
    ) -> None:
        super().__init__(files, bodies, faults)
        self._engine = engine

    def database_octets(self) -> int:
        ((octets,),) = self._engine.read("SELECT pg_database_size(current_database())")
        return int(octets)

    def copy_database(self, target: Path, told: Told) -> Snapshot:  # noqa: ARG002 - it never is
        """
        Raises:
            StoreUnavailable: always.
        """
        raise StoreUnavailable("copy a PostgreSQL database with its own tools: pg_dump")


class PostgresUpkeep(SqlUpkeep):
    """The `Upkeep` port: a server moves its own log, and has no reserve of ours."""

    def checkpoint(self) -> int:
        return 0

    def log_octets(self) -> int:
        return 0

    def keep_reserve(self) -> bool:
        return True


def _opened(conninfo: str) -> tuple[PostgresEngine, PostgresEngine]:
    """(of what must survive, of what may be lost), with their tables."""
    engine = PostgresEngine(conninfo)
    aside = PostgresEngine(f"{conninfo} options='-c search_path={ASIDE}'", may_write=True)
    try:
        migrate(engine)
        _make_aside(engine)
    except BaseException:
        engine.close()
        raise
    return engine, aside


def _body_files(folder: Path) -> BodyFiles:
    make_private_folder(folder)
    files = BodyFiles(folder / "bodies")
    files.prepare()
    make_private_file(folder / HOLD_LOCK)
    return files


def _make_aside(engine: PostgresEngine) -> None:
    """The tables that may be lost, unless they are there."""
    is_there = "SELECT to_regnamespace(?) IS NOT NULL"
    if engine.read(is_there, (ASIDE,)) == [(True,)]:
        return
    with engine.write_turn(), engine.transaction():
        if engine.read(is_there, (ASIDE,)) == [(False,)]:
            tables = engine.dialect.schema(SCHEMA + trace_index.SCHEMA)
            engine.script(f"CREATE SCHEMA {ASIDE}; SET LOCAL search_path = {ASIDE}; {tables}")
