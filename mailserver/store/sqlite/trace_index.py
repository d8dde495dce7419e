"""The index behind journeys, in a database of its own that may be lost.

    trace (bucket, digest, message_id)   digest: see `mailserver.store.sql.history.fingerprints`
    progress                             how far the history is indexed

A bucket is a range of `BUCKET` message ids: new rows touch a small part of the
file, and what the history forgets goes bucket by bucket.  A look-up asks each
bucket in turn, the newest first.

Only the keeper writes.  Commits are not synced (`synchronous=NORMAL` syncs
when its log is moved, so that a power cut takes the last of it and damages
nothing); an unreadable file is made anew, and the history fills it again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from mailserver.store.files.private import make_private_file
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.sql.dialect import LARGEST, SQLITE
from mailserver.store.sql.history.tracing import Progress
from mailserver.store.sqlite.engine import is_full
from mailserver.store.sqlite.log_index import allocate_index
from mailserver.values.ids import AcceptId, MessageId

BUCKET = 1 << 14
FORGET_SLICE = 5_000
BUSY_MS = 1_000
CACHE_KIB = 4096
_UNREADABLE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError)

_NO_BUCKET = 1 << 50

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trace (
    bucket INTEGER NOT NULL, digest INTEGER NOT NULL, message_id INTEGER NOT NULL,
    PRIMARY KEY (bucket, digest, message_id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    one INTEGER PRIMARY KEY CHECK (one = 1), message_id INTEGER NOT NULL, accept_id BLOB NOT NULL
    ) STRICT;
"""
_ADD = "INSERT OR IGNORE INTO trace {rows:integer integer integer}"
_NOTE = "INSERT OR REPLACE INTO progress VALUES (1, ?, ?)"
_FIND = """
    SELECT message_id FROM trace WHERE bucket = ? AND digest = ?
    ORDER BY message_id DESC LIMIT ?"""
_FORGET = """
    DELETE FROM trace WHERE bucket = ?1 AND (digest, message_id) IN
        (SELECT digest, message_id FROM trace WHERE bucket = ?1 LIMIT ?2)"""


class SqliteTraceIndex:
    """The `TraceIndex` of the statements.  Safe to call from any thread; one process writes."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._local = threading.local()
        self._opened: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._guard = threading.Lock()

    def progress(self) -> Progress | None:
        rows = self._read("SELECT message_id, accept_id FROM progress")
        return Progress(MessageId(rows[0][0]), AcceptId(rows[0][1])) if rows else None

    def find(self, digest: int, *, limit: int) -> list[MessageId]:
        found: list[MessageId] = []
        bucket = self._bucket_below(None)
        while bucket is not None and len(found) < limit:
            rows = self._read(_FIND, (bucket, digest, limit - len(found)))
            found += [MessageId(row[0]) for row in rows]
            bucket = self._bucket_below(bucket)
        return found

    def add(self, keys: Iterable[tuple[MessageId, Iterable[int]]], progress: Progress) -> None:
        rows = sorted(
            (message_id // BUCKET, digest, message_id)
            for message_id, digests in keys
            for digest in digests
        )
        with self._writing() as connection:
            for statement, values, _ in SQLITE.chunks(_ADD, rows, largest=LARGEST):
                connection.execute(statement, values)
            connection.execute(_NOTE, (progress.message_id, progress.accept_id))

    def oldest_range(self) -> tuple[MessageId, MessageId] | None:
        """First and last message id of the oldest bucket; None: there is none."""
        rows = self._read("SELECT min(bucket) FROM trace")
        if not rows or rows[0][0] is None:
            return None
        first = rows[0][0] * BUCKET
        return MessageId(first), MessageId(first + BUCKET - 1)

    def forget(self, first: MessageId) -> int:
        with self._writing() as connection:
            connection.execute(_FORGET, (first // BUCKET, FORGET_SLICE))
            return connection.changes()

    def clear(self) -> None:
        """Forget everything: it does not belong to this history."""
        with self._writing() as connection:
            connection.execute("DELETE FROM trace; DELETE FROM progress")

    def close(self) -> None:
        with self._guard:
            opened = list(self._opened)
        for connection in opened:
            connection.close()

    def _bucket_below(self, bucket: int | None) -> int | None:
        below = _NO_BUCKET if bucket is None else bucket
        rows = self._read("SELECT max(bucket) FROM trace WHERE bucket < ?", (below,))
        return rows[0][0] if rows else None

    def _read(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows, or none when the index does not answer: then the search looks for itself."""
        try:
            return self._connection(may_make=False).execute(statement, parameters).fetchall()
        except apsw.Error as error:
            if isinstance(error, _UNREADABLE) and not is_full(error, self._opened_here()):
                self._drop()
        return []

    @contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        """One transaction.

        Raises:
            StoreUnavailable: nothing was written; an unreadable file is gone.
        """
        try:
            connection = self._connection(may_make=True)
            with connection:
                yield connection
        except apsw.Error as error:
            if isinstance(error, _UNREADABLE) and not is_full(error, self._opened_here()):
                self._drop()
                self._unlink()
            raise StoreUnavailable(f"trace index: {error}") from error

    def _opened_here(self) -> apsw.Connection | None:
        return getattr(self._local, "connection", None)

    def _connection(self, *, may_make: bool) -> apsw.Connection:
        connection = self._opened_here()
        if connection is None:
            connection = self._open(may_make=may_make)
            self._local.connection = connection
            with self._guard:
                self._opened.add(connection)
        return connection

    def _open(self, *, may_make: bool) -> apsw.Connection:
        """Who only reads makes no file: it would belong to whoever typed the command."""
        if may_make:
            with suppress(OSError):  # SQLite says what is wrong
                make_private_file(self._path)
        connection = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if may_make:
            connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            allocate_index(self._path)
        return connection

    def _drop(self) -> None:
        connection: apsw.Connection | None = self._local.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _unlink(self) -> None:
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.unlink(self._path + suffix)
