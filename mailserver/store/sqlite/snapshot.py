"""A copy of `mail.db` while the service writes to it.

    1  bodies      rows of `message`, a slice at a time, each a short read of its own
    2  the moment  in one read: the rows that came or changed since, and all other tables
    3  indexes     on the copy alone

A read that lasts as long as the copy of all mail would keep the log from starting
over, so it would grow without bound.  A row of `message` may lose its body, change in
a column before it, or go, and never gets another body; so copies of them from
earlier moments are mended in the second step, which reads no body again.  It lasts
as long as all that is not mail takes: people, entries, copies, journeys.

The copy is written without a journal, synced now and then so that no long sync
is in the way of the service's own, and is whole when the call has returned.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from mailserver.store.files.bodies import BodyFiles
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.upkeep import FiledName, Snapshot, Told
from mailserver.store.sql.counters.faults import SqlFaults
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.care import SqlBackups
from mailserver.store.sqlite.engine import DATABASE, PAGE_OCTETS, translated
from mailserver.values.ids import MessageId

SLICE_OCTETS = 4 * 1024 * 1024
SLICE_MESSAGES = 500
SYNC_OCTETS = 32 * 1024 * 1024
PAUSE_FRACTION = 0.5
"""After each slice, of the time that it took: the disk is the service's first."""
CACHE_KIB = 16 * 1024
BUSY_MS = 10_000

_PRAGMAS = (
    f"page_size = {PAGE_OCTETS}",
    f"cache_size = -{CACHE_KIB}",
    "journal_mode = OFF",
    "synchronous = OFF",
    "temp_store = MEMORY",
)
_TABLES = """
    SELECT name, sql FROM live.sqlite_master
    WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"""
_REST = """
    SELECT sql FROM live.sqlite_master
    WHERE type <> 'table' AND sql IS NOT NULL ORDER BY type = 'trigger', rowid"""
_NEXT = """
    SELECT message_id, iif(file_name IS NULL, body_octets, 0) FROM live.message WHERE message_id > ?
    ORDER BY message_id LIMIT ?"""
_SLICE = """
    INSERT INTO main.message SELECT * FROM live.message WHERE message_id > ? AND message_id <= ?"""
_COLUMNS = "SELECT name FROM live.pragma_table_info('message') ORDER BY cid"
_CHANGED = """
    CREATE TEMP TABLE changed AS
    SELECT was.message_id FROM main.message AS was
        LEFT JOIN live.message AS now ON now.message_id = was.message_id
    WHERE now.message_id IS NULL OR typeof(now.body) <> typeof(was.body) OR {differs}"""
_WHICH_CHANGED = "WHERE message_id IN (SELECT message_id FROM temp.changed)"
_MEND = (
    f"DELETE FROM main.message {_WHICH_CHANGED}",
    f"INSERT INTO main.message SELECT * FROM live.message {_WHICH_CHANGED}",
)
_COUNTS = """
    SELECT (SELECT max(number) FROM migration), (SELECT count(*) FROM message),
        (SELECT count(*) FROM account WHERE deleted_at_s IS NULL), (SELECT count(*) FROM queue)"""
_BODIES = """
    SELECT message_id, file_name, body_octets FROM message
    WHERE file_name IS NOT NULL ORDER BY file_name"""


class SqliteBackups(SqlBackups):
    """The `Backups` port."""

    def __init__(
        self, folder: Path, files: BodyFiles, bodies: SqlBodies, faults: SqlFaults
    ) -> None:
        super().__init__(files, bodies, faults)
        self._database = folder / DATABASE

    def database_octets(self) -> int:
        total = 0
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                total += os.stat(f"{self._database}{suffix}").st_size
        return total

    def copy_database(self, target: Path, told: Told) -> Snapshot:
        with translated(), closing(DatabaseCopy(self._database, target, told)) as copy:
            return copy.run()


class DatabaseCopy:
    """One copy.  Used once: `run`, then `close`."""

    def __init__(
        self,
        source: Path,
        target: Path,
        told: Told,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """told: gets octets done and octets in all, both about."""
        self._target = target
        self._told = told
        self._sleep = sleep
        self._clock_s = clock_s
        self._fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(self._fd, 0o600)
        self._db = apsw.Connection(
            str(target), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
        )
        self._db.set_busy_timeout(BUSY_MS)
        for pragma in _PRAGMAS:
            self._run(f"PRAGMA {pragma}")
        self._run("ATTACH ? AS live", (f"file:{quote(str(source))}?mode=ro",))
        pages = self._value("PRAGMA live.page_count")
        self._total_octets = pages * self._value("PRAGMA live.page_size")
        self._done_octets = 0
        self._synced_octets = 0

    def run(self) -> Snapshot:
        schema = self._value("PRAGMA live.schema_version")
        tables = self._rows(_TABLES)
        for _, sql in tables:
            self._run(sql)
        self._copy_bodies()
        with self._db:  # one moment of `live`
            if self._value("PRAGMA live.schema_version") != schema:
                raise StoreUnavailable("the database was migrated meanwhile: begin again")
            self._copy_the_rest([name for name, _ in tables])
        for (sql,) in self._rows(_REST):
            self._run(sql)
        snapshot = self._describe()
        self._sync()
        return snapshot

    def close(self) -> None:
        self._db.close()
        os.close(self._fd)

    # --- the steps ----------------------------------------------------------------

    def _copy_bodies(self) -> None:
        """Until less than a slice is left, which the one moment copies."""
        after = 0
        while True:
            begun_s = self._clock_s()
            rows = self._rows(_NEXT, (after, SLICE_MESSAGES))
            upto, octets = _first_slice(rows)
            if upto == after or (len(rows) < SLICE_MESSAGES and octets < SLICE_OCTETS):
                return
            self._run(_SLICE, (after, upto))
            after = upto
            self._count(octets)
            self._sleep((self._clock_s() - begun_s) * PAUSE_FRACTION)

    def _copy_the_rest(self, tables: list[str]) -> None:
        last = self._value("SELECT coalesce(max(message_id), 0) FROM main.message")
        self._run(_CHANGED.format(differs=self._differs()))
        for statement in _MEND:
            self._run(statement)
        self._run(_SLICE, (last, (1 << 63) - 1))
        for name in tables:
            if name != "message":
                self._run(f'INSERT INTO main."{name}" SELECT * FROM live."{name}"')
        # Numbers that were given once are never given again: so says this table.
        self._run("DELETE FROM main.sqlite_sequence")
        self._run("INSERT INTO main.sqlite_sequence SELECT * FROM live.sqlite_sequence")

    def _differs(self) -> str:
        """Of all columns before the body: to read what stands behind it, the body must be."""
        names = [name for (name,) in self._rows(_COLUMNS)]
        before = names[: names.index("body")]
        return " OR ".join(f'now."{name}" IS NOT was."{name}"' for name in before)

    def _describe(self) -> Snapshot:
        schema, messages, accounts, queued = self._rows(_COUNTS)[0]
        bodies = tuple(
            FiledName(MessageId(message_id), name, octets)
            for message_id, name, octets in self._rows(_BODIES)
        )
        return Snapshot(
            schema_number=schema or 0,
            account_count=accounts,
            message_count=messages,
            queued_count=queued,
            bodies=bodies,
        )

    # --- within ---------------------------------------------------------------------

    def _count(self, octets: int) -> None:
        self._done_octets += octets
        self._total_octets = max(self._total_octets, self._done_octets)
        self._told(self._done_octets, self._total_octets)
        if self._done_octets - self._synced_octets >= SYNC_OCTETS:
            self._synced_octets = self._done_octets
            os.fdatasync(self._fd)

    def _sync(self) -> None:
        os.fsync(self._fd)
        self._told(self._total_octets, self._total_octets)

    def _run(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        self._db.execute(statement, parameters).fetchall()

    def _rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, parameters).fetchall()

    def _value(self, statement: str) -> int:
        return int(self._rows(statement)[0][0])


def _first_slice(rows: list[tuple[Any, ...]]) -> tuple[int, int]:
    """(the last message of it, its octets); (0, 0) where nothing is left."""
    upto = octets = 0
    for message_id, body_octets in rows:
        upto, octets = message_id, octets + body_octets
        if octets >= SLICE_OCTETS:
            break
    return upto, octets
