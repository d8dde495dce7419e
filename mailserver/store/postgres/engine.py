"""PostgreSQL 15 or newer as the engine: connections, the write lock, errors.

Plain on purpose: one advisory lock for writing, over all processes, as SQLite
has one; a statement a trip.  What may go on beside each other, and how many
rows go in one call, comes with hot paths of its own.

Promise: COMMIT returns as `synchronous_commit` of the server says.  Reads go
over connections that are taken and given back, one for each thread that is
reading at this moment.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from mailserver.store.ports.errors import StoreBroken, StoreFull, StoreUnavailable
from mailserver.store.sql.dialect import POSTGRES
from mailserver.store.sql.engine import ConstraintBroken, Parameters, Row

WRITE_TURN: Final = 1 << 56
"""The key of the advisory lock of whoever writes."""
IDLE_READERS: Final = 4
"""Connections that wait for the next read; more are closed once they are given back."""
_BROKEN: Final = (errors.IoError, errors.DataCorrupted, errors.IndexCorrupted)

Connected = psycopg.Connection[Row]


class UnheldText(StoreUnavailable):
    """A NUL in a text, which PostgreSQL cannot hold."""


class WriterConnection:
    """The writer inside a transaction; its errors are ours already."""

    __slots__ = ("_connection",)
    dialect = POSTGRES

    def __init__(self, connection: Connected) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Parameters = ()) -> Iterable[Row]:
        with translated():
            return run(self._connection, statement, parameters)


class PostgresEngine:
    """One store's database in this process.  Open it after the fork."""

    dialect = POSTGRES

    def __init__(self, conninfo: str, *, may_write: bool = False) -> None:
        """may_write: so do reads, each a transaction of its own, without the turn."""
        self._conninfo = conninfo
        self._is_reader = not may_write
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._idle: deque[Connected] = deque()
        self._is_closed = False
        self._writer: Connected | None = None

    def read(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        try:
            with translated(), self._reader() as connection:
                return run(connection, statement, parameters)
        except (UnicodeEncodeError, UnheldText):
            return []  # half a character or a NUL, from a peer: it stands in no row

    @contextmanager
    def write_turn(self) -> Iterator[None]:
        with self._turn:
            with translated():
                writer = self._connected()
                run(writer, "SELECT pg_advisory_lock(?)", (WRITE_TURN,))
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # with the connection, its lock is gone
                    run(writer, "SELECT pg_advisory_unlock(?)", (WRITE_TURN,))

    def has_room(self) -> bool:
        """The server's disk is not ours to look at: a full one says so itself."""
        return True

    def make_room(self) -> None:
        """There is no reserve here."""

    @contextmanager
    def transaction(self) -> Iterator[WriterConnection]:
        writer = self._connected()
        with translated():
            run(writer, "BEGIN")
            try:
                yield WriterConnection(writer)
                run(writer, "COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    run(writer, "ROLLBACK")
                raise

    def script(self, statements: str) -> None:
        """Run the statements of a migration, inside the caller's transaction."""
        with translated():
            self._connected().execute(statements.encode())

    def close(self) -> None:
        """May be called again."""
        with self._guard:
            self._is_closed = True
            connections = [self._writer, *self._idle]
            self._idle.clear()
        for connection in connections:
            if connection is not None:
                connection.close()

    def _connected(self) -> Connected:
        """The writer's connection, made anew where it broke."""
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self._writer is None or self._writer.closed:
            self._writer = connect(self._conninfo)
        return self._writer

    @contextmanager
    def _reader(self) -> Iterator[Connected]:
        with self._guard:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = connect(self._conninfo, is_reader=self._is_reader)
        try:
            yield connection
        finally:
            with self._guard:
                is_kept = not (connection.closed or self._is_closed)
                is_kept = is_kept and len(self._idle) < IDLE_READERS
                if is_kept:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()


def connect(conninfo: str, *, is_reader: bool = False) -> Connected:
    """A connection that takes and gives numbers, octets and text as SQLite's does."""
    connection: Connected = psycopg.connect(
        conninfo, autocommit=True, cursor_factory=psycopg.RawCursor, context=_ADAPTED
    )
    if is_reader:
        connection.execute(b"SET default_transaction_read_only = on")
    return connection


def run(connection: Connected, statement: str, parameters: Parameters = ()) -> list[Row]:
    """All rows of a statement in the common text, if it gives any."""
    cursor = connection.execute(_in_octets(statement), parameters or None)
    return cursor.fetchall() if cursor.description is not None else []


@contextmanager
def translated() -> Iterator[None]:
    """The library's errors become ours."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error) from error


def _translate(error: psycopg.Error) -> Exception:
    """The library's error as ours: whose fault, and whether to go on."""
    if isinstance(error, errors.DiskFull):
        return StoreFull(str(error))
    if isinstance(error, _BROKEN):
        return StoreBroken(str(error))
    if isinstance(error, psycopg.DataError) and error.sqlstate is None:
        return UnheldText(str(error))  # the driver's own: it was not sent
    if isinstance(error, psycopg.IntegrityError):
        return ConstraintBroken(str(error))
    return StoreUnavailable(str(error))


@lru_cache(maxsize=1024)
def _in_octets(statement: str) -> bytes:
    return POSTGRES.translate(statement).encode()


class _Number(Loader):
    """A sum of whole numbers is `numeric` there, and a whole number here."""

    def load(self, data: Any) -> int | float:
        number = Decimal(bytes(data).decode())
        return int(number) if number == number.to_integral_value() else float(number)


def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_dumper(str, StrDumper)
    adapters.register_loader("numeric", _Number)
    return adapters


class _Context:
    """What `psycopg` asks for types."""

    adapters = _adapters()
    connection = None


_ADAPTED: Final = _Context()
