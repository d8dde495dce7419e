"""What need not survive a power cut, in a database of its own.

No fsync (`synchronous=OFF`), so a power cut may leave it unreadable; then it is
made anew.  What is in it: `mailserver.store.sql.counters`.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from contextlib import suppress
from pathlib import Path

import apsw

from mailserver.store.files.private import make_private_file, open_private
from mailserver.store.sql.counters.counters import SCHEMA, SqlCounters
from mailserver.store.sql.dialect import SQLITE, Dialect
from mailserver.store.sql.engine import Parameters, Row
from mailserver.store.sqlite.engine import is_full
from mailserver.store.sqlite.log_index import allocate_index

BUSY_MS = 100
_UNREADABLE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError)


class SqliteScratch(SqlCounters):
    """The `Counters` and `Collections` ports.  Safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._local = threading.local()
        self._opened: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._guard = threading.Lock()
        super().__init__()

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    def execute(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        try:
            return self._connection().execute(statement, parameters).fetchall()
        except apsw.Error as error:
            # Else it is busy, full, closed, or it cannot be opened.
            if isinstance(error, _UNREADABLE) and not is_full(
                error, getattr(self._local, "connection", None)
            ):
                self._start_anew()
        return []

    def close(self) -> None:
        with self._guard:
            opened = list(self._opened)
        for connection in opened:
            connection.close()

    def _connection(self) -> apsw.Connection:
        try:
            connection: apsw.Connection = self._local.connection
        except AttributeError:
            connection = self._local.connection = self._open()
        return connection

    def _open(self) -> apsw.Connection:
        with suppress(OSError):  # SQLite says what is wrong
            make_private_file(self._path)
        connection = apsw.Connection(self._path)
        self._local.inode = _inode(self._path)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1024")
        connection.execute(SQLITE.schema(SCHEMA))
        allocate_index(self._path)
        with self._guard:
            self._opened.add(connection)
        return connection

    def _start_anew(self) -> None:
        """Move the unreadable files away, unless another process has done so already.

        Who has them open goes on with them until he fails, and then opens the new ones.
        """
        failed = self._local.__dict__.pop("inode", None)
        self._local.__dict__.pop("connection", None)
        try:
            with open(open_private(self._path + ".lock"), "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if failed is not None and failed == _inode(self._path):
                    for suffix in ("-wal", "-shm", ""):
                        with suppress(FileNotFoundError):
                            os.replace(self._path + suffix, self._path + ".unreadable" + suffix)
        except OSError:
            return  # no room, no right: what may be lost is not worth an error


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
