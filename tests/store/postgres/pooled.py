"""Connections that are lent again when a store closes them: a new one must learn all tables first.

That takes ten times as long as most tests.  What a session holds is let go of
as its end would: locks, and what it listens to.
"""

from __future__ import annotations

import atexit
import os
from collections import defaultdict
from typing import Any, Final, Self

import psycopg
from psycopg.pq import TransactionStatus

Real = psycopg.Connection[tuple[Any, ...]]
_OWNER: Final = os.getpid()
MOST: Final = 8
"""That wait for the same database with the same options."""
_LET_GO: Final = b"SELECT pg_advisory_unlock_all(); UNLISTEN *; RESET ALL"
_waiting: dict[str, list[Real]] = defaultdict(list)


class Lent:
    """A connection, until it is closed."""

    def __init__(self, conninfo: str, real: Real) -> None:
        self._conninfo = conninfo
        self._real: Real | None = real

    @property
    def closed(self) -> bool:
        return self._real is None or self._real.closed

    def __getattr__(self, name: str) -> Any:
        if self._real is None:
            raise psycopg.OperationalError("the connection is closed")
        return getattr(self._real, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        real, self._real = self._real, None
        if real is not None:
            _take_back(self._conninfo, real)


def lend(conninfo: str, **options: Any) -> Lent:
    """In place of `psycopg.connect`."""
    waiting = _waiting[conninfo]
    while waiting:
        real = waiting.pop()
        if not real.closed and real.info.transaction_status == TransactionStatus.IDLE:
            return Lent(conninfo, real)
        real.close()
    return Lent(conninfo, psycopg.Connection.connect(conninfo, **options))


def put_away(database: str) -> None:
    """All that wait for a database, before it is copied or dropped."""
    for conninfo, waiting in _waiting.items():
        if f"dbname={database}" in conninfo.split():
            while waiting:
                waiting.pop().close()


def _take_back(conninfo: str, real: Real) -> None:
    is_well = not real.closed and real.info.transaction_status == TransactionStatus.IDLE
    if is_well and len(_waiting[conninfo]) < MOST:
        real.execute(_LET_GO)
        _waiting[conninfo].append(real)
    else:
        real.close()


@atexit.register
def _close_all() -> None:
    """Not in a process that a test forked: the server would hang up on this one."""
    if os.getpid() != _OWNER:
        return
    for waiting in _waiting.values():
        while waiting:
            waiting.pop().close()


psycopg.connect = lend  # type: ignore[assignment]
