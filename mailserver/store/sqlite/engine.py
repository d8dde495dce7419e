"""SQLite as the engine: connections, pragmas, the write lock, errors.

How SQLite's statements differ from those of the other engine, `sql.dialect` says.

Promise: WAL with `synchronous=FULL`: COMMIT returns after an fsync of the log.
Writers of all processes queue on an flock before BEGIN IMMEDIATE, because
SQLite's own busy handler sleeps in steps and is unfair.  Each thread reads on
a connection of its own, and a read takes all its rows before it returns.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from mailserver.store.files.private import make_private_file, open_private
from mailserver.store.files.reserve import Reserve
from mailserver.store.ports.errors import (
    Shortage,
    StoreBroken,
    StoreFull,
    StoreUnavailable,
    shortage_of,
)
from mailserver.store.sql.dialect import SQLITE
from mailserver.store.sql.engine import ConstraintBroken, Parameters, Row
from mailserver.store.sqlite.log_index import allocate_index

PAGE_OCTETS = 4096
SYNCHRONOUS = "FULL"
DATABASE = "mail.db"
BUSY_MS = 10_000
RESTART_WAIT_MS = 200
"""Readers that are in the log are waited for this long, while every writer waits for us."""
READER_CACHE_KIB = 4096
WRITER_CACHE_KIB = 8192
HEAP_KEPT_OCTETS = 1024 * 1024
STATEMENTS_KEPT = 512
"""Prepared ones of a connection: the shapes of all writes have room."""
LOG_GUARD_FACTOR = 1.5
"""A writer that finds the log this many times over its limit moves it itself."""

_BROKEN = (apsw.IOError, apsw.CorruptError, apsw.NotADBError)
_NO_MEMORY = frozenset(
    {apsw.SQLITE_IOERR_NOMEM, apsw.SQLITE_IOERR_SHMOPEN, apsw.SQLITE_IOERR_SHMMAP}
)
"""Called I/O errors by SQLite, and only mean no memory, or no descriptor for the log's index."""
ROOM_TRIES = 10
"""The log cannot be moved while the keeper is at it: a moment later it can."""
ROOM_PAUSE_S = 0.02
ROOM_LOOK_S = 1.0
ROOM_PARTS = 16
"""Of what is free beyond the log, one process uses this part before it asks the disk again: each
page stands in the log and in the database, and others write as well."""
ROOM_SLACK_OCTETS = 2 * 1024 * 1024
"""Beyond what the log holds: for new mail, this much more must be free."""


class WriterConnection:
    """The writer inside a transaction; its errors are ours already."""

    __slots__ = ("_connection", "_execute")
    dialect = SQLITE

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute

    def execute(self, statement: str, parameters: Parameters = ()) -> Iterable[Row]:
        try:
            return self._execute(statement, parameters)
        except apsw.Error as error:
            raise _translate(error, self._connection) from error


class SqliteEngine:
    """One store's database in this process.  Open it after the fork."""

    dialect = SQLITE

    def __init__(
        self, folder: Path, *, log_limit_octets: int, reserve: Reserve | None = None
    ) -> None:
        _settle_heap()
        self._reserve = reserve
        self._path = str(folder / DATABASE)
        self._log_path = self._path + "-wal"
        self._log_limit_octets = log_limit_octets
        self._local = threading.local()
        self._readers: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._readers_guard = threading.Lock()
        self._turn = threading.Lock()
        self._log_pages = 0
        self._pages_left = 0
        self._look_at_s = 0.0
        self._broken: StoreBroken | None = None
        self._mover: apsw.Connection | None = None
        self._lock_fd = open_private(folder / "write.lock")
        # In turn: two processes that make one database at a time would find it locked.
        with self.write_turn(), translated():
            make_private_file(self._path)  # SQLite gives its log the same mode and owner
            self._writer = self._open_writer()
            self._in_transaction = WriterConnection(self._writer)
        allocate_index(self._path)

    def read(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        try:
            connection: apsw.Connection = self._local.reader
        except AttributeError:
            connection = self._open_reader()
        try:
            return connection.execute(statement, parameters).fetchall()
        except apsw.Error as error:
            raise _translate(error) from error
        except UnicodeEncodeError:
            return []  # half a character, from a peer: it stands in no row

    @contextmanager
    def write_turn(self) -> Iterator[None]:
        with self._turn:
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            except OSError as error:
                raise StoreUnavailable(f"write lock: {error}") from error
            try:
                yield
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    @contextmanager
    def transaction(self) -> Iterator[WriterConnection]:
        """After an I/O error nothing more is written: what the disk holds is not known."""
        if self._broken is not None:
            raise StoreBroken("the disk failed before") from self._broken
        try:
            with translated(self._writer):
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._in_transaction
                    self._writer.execute("COMMIT")
                except BaseException:
                    if not self._writer.get_autocommit():
                        self._writer.execute("ROLLBACK")
                    raise
        except StoreBroken as error:
            self._broken = error
            raise
        if self._log_pages * PAGE_OCTETS > self._log_limit_octets * LOG_GUARD_FACTOR:
            self._restart_long_log()

    def script(self, statements: str) -> None:
        """Run the statements of a migration, inside the caller's transaction."""
        with translated(self._writer):
            self._writer.execute(statements)

    def log_octets(self) -> int:
        """Size of the write-ahead log on disk."""
        try:
            return os.stat(self._log_path).st_size
        except FileNotFoundError:
            return 0

    def move_log(self) -> int:
        """Copy what can be copied into the database; waits for nobody.

        Returns the octets of log that are in use: a log that was moved whole starts over
        at the next commit, in the same file, whose blocks need not be allocated again.
        """
        # A connection of its own: the writer may be in the middle of a transaction.
        with translated():
            if self._mover is None:
                self._mover = self._open_writer()
        with translated(self._mover):
            try:
                in_use, moved = self._mover.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.BusyError:  # a writer is moving it itself at this moment
                return self.log_octets()
        return 0 if in_use == moved else in_use * PAGE_OCTETS

    def restart_log(self) -> bool:
        """Inside a write turn: move the rest, so that the next commit starts the log over.

        False: a read of another process outlasted the wait, or the keeper moves it itself.
        """
        self._writer.set_busy_timeout(RESTART_WAIT_MS)
        try:
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except apsw.BusyError:
            return False
        except apsw.Error as error:
            raise _translate(error, self._writer) from error
        finally:
            self._writer.set_busy_timeout(BUSY_MS)
        return True

    def make_room(self) -> None:
        """The log starts over in the blocks that it has, once all of it is in the database.

        For that the database may have to grow: this is what the reserve is for.
        """
        if self._reserve is not None:
            self._reserve.release()
        with contextlib.suppress(StoreUnavailable):  # then the commit says so
            for _ in range(ROOM_TRIES):
                if self.restart_log():
                    break
                time.sleep(ROOM_PAUSE_S)

    def reusable_octets(self) -> int:
        """Pages of the database that hold nothing, and are taken before it grows."""
        return int(self.read("PRAGMA freelist_count")[0][0]) * PAGE_OCTETS

    def has_room(self) -> bool:
        """What the log holds must fit into the database, or nothing could be removed any more.

        The disk is asked when a part of what was free may have been used, or a second later.
        """
        now_s = time.monotonic()
        if self._pages_left > 0 and now_s < self._look_at_s:
            return True
        surplus_octets = self._surplus_octets()
        if surplus_octets < 0:
            with contextlib.suppress(apsw.Error):
                mode = apsw.SQLITE_CHECKPOINT_PASSIVE
                in_use, moved = self._writer.wal_checkpoint(mode=mode)
                self._log_pages = in_use if moved < in_use else 0
            surplus_octets = self._surplus_octets()
        self._pages_left = surplus_octets // (PAGE_OCTETS * ROOM_PARTS)
        self._look_at_s = now_s + ROOM_LOOK_S
        return surplus_octets >= 0

    def _surplus_octets(self) -> int:
        """Free beyond what the log may need; negative where new mail must wait."""
        try:
            stat = os.statvfs(self._path)
        except OSError as error:
            raise StoreUnavailable(f"statvfs: {error}") from error
        owed_octets = 0 if self._reserve is None else self._reserve.owed_octets()
        free_octets = stat.f_bavail * stat.f_frsize - owed_octets - ROOM_SLACK_OCTETS
        if self._log_pages:
            return free_octets - self._log_pages * PAGE_OCTETS
        # The log starts over where it is, and what comes next takes the pages that hold nothing.
        return free_octets + self.reusable_octets()

    def _restart_long_log(self) -> None:
        """After a commit, so nothing here may make what is on disk look undone."""
        try:
            self.restart_log()
        except StoreUnavailable:
            return  # no room to move it to: the log goes on, the next commit tries again
        except StoreBroken as error:
            self._broken = error

    def _note_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """After each commit: how many pages the log holds."""
        self._pages_left -= pages - self._log_pages if pages > self._log_pages else pages
        self._log_pages = pages
        return apsw.SQLITE_OK

    def close(self) -> None:
        """Close this process's connections, those of other threads included: they have ended.

        The writer goes last, so that the last process out can move the log.  May be called again.
        """
        if self._lock_fd < 0:
            return
        with self._readers_guard:
            readers = list(self._readers)
        for connection in (*readers, self._mover, self._writer):
            if connection is not None:
                connection.close()
        os.close(self._lock_fd)
        self._lock_fd = -1

    def _open_writer(self) -> apsw.Connection:
        connection = _connect(self._path)
        connection.execute(f"PRAGMA page_size = {PAGE_OCTETS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        connection.set_wal_hook(self._note_log)  # and no automatic checkpoint: the keeper does it
        connection.execute(f"PRAGMA journal_size_limit = {self._log_limit_octets}")
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        connection.execute("PRAGMA foreign_keys = OFF")
        return connection

    def _open_reader(self) -> apsw.Connection:
        with translated():
            connection = _connect(self._path, apsw.SQLITE_OPEN_READONLY)
            connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
        # Only the thread holds its connection, so that it closes when the thread ends.
        self._local.reader = connection
        with self._readers_guard:
            self._readers.add(connection)
        return connection


def _connect(
    path: str, flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
) -> apsw.Connection:
    """A connection whose prepared statements stay prepared.

    Without the stability guarantee SQLite prepares a statement afresh for each
    new value, because a value might let it use a partial index: half of a read.
    """
    connection = apsw.Connection(path, flags=flags, statementcachesize=STATEMENTS_KEPT)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.set_busy_timeout(BUSY_MS)
    return connection


def _settle_heap() -> None:
    """Let the C library keep the memory that a transaction frees, for the next one.

    SQLite takes and frees some 100 KiB per commit; glibc gives that back to the
    kernel and fetches it again, which costs more than the commit itself (measured:
    230 against 100 microseconds for one message).  A large block that is freed
    once makes glibc raise its limits (mallopt(3), M_MMAP_THRESHOLD).
    """
    bytes(HEAP_KEPT_OCTETS)


def _translate(error: apsw.Error, connection: apsw.Connection | None = None) -> Exception:
    """The library's error as ours: whose fault, and whether to go on.

    connection: that failed; only it knows the system's own number.
    """
    if (short := shortage(error, connection)) is not None:
        return StoreFull(str(error), short)
    if isinstance(error, _BROKEN) and getattr(error, "extendedresult", 0) not in _NO_MEMORY:
        return StoreBroken(str(error))
    if isinstance(error, apsw.ConstraintError):
        return ConstraintBroken(str(error))
    return StoreUnavailable(str(error))


def is_full(error: apsw.Error, connection: apsw.Connection | None = None) -> bool:
    return shortage(error, connection) is not None


def shortage(error: apsw.Error, connection: apsw.Connection | None) -> Shortage | None:
    """No room for the database, its log, or the log's index (which SQLite calls an I/O error).

    Of a write that the system refuses SQLite knows ENOSPC alone as want of room; EDQUOT and EFBIG
    it calls I/O errors, though they too leave all as it was (os_unix.c, unixWrite).  What fails
    in an fsync is none of these: then nobody knows what the disk holds.
    """
    extended = getattr(error, "extendedresult", 0)
    if isinstance(error, apsw.FullError) or extended == apsw.SQLITE_IOERR_SHMSIZE:
        return Shortage.DISK
    if extended == apsw.SQLITE_IOERR_WRITE and connection is not None:
        return shortage_of(connection.system_errno)
    return None


@contextmanager
def translated(connection: apsw.Connection | None = None) -> Iterator[None]:
    """The library's errors become ours."""
    try:
        yield
    except apsw.Error as error:
        raise _translate(error, connection) from error
