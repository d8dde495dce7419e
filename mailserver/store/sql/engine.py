"""What the statements need of a database engine, and nothing else.

Placeholders are `?`; in what engines differ beyond that, their `Dialect` says.
An engine turns its library's errors into `StoreUnavailable` and `StoreBroken`;
a broken constraint is `ConstraintBroken`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from mailserver.store.ports.errors import StoreError, StoreFull
from mailserver.store.sql.dialect import Dialect

Parameters = Sequence[Any]
Row = tuple[Any, ...]
_T = TypeVar("_T")


class ConstraintBroken(StoreError):
    """A UNIQUE or NOT NULL was violated; the transaction is void."""


class Reader(Protocol):
    """Whatever runs statements: a connection, or the reads of an engine (`Reads`)."""

    @property
    def dialect(self) -> Dialect: ...

    def execute(self, statement: str, parameters: Parameters = ()) -> Iterable[Row]: ...


class Connection(Reader, Protocol):
    """A connection inside a transaction."""


class Engine(Protocol):
    @property
    def dialect(self) -> Dialect: ...

    def read(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one SELECT, on this thread's read-only connection: one snapshot."""
        ...

    def write_turn(self) -> AbstractContextManager[None]:
        """The one write lock of the store, over all processes.  Not re-entrant."""
        ...

    def has_room(self) -> bool:
        """Inside a write turn: may new mail come in without taking the room that removals need?"""
        ...

    def make_room(self) -> None:
        """Inside a write turn, after `StoreFull`: give up the reserve for the next transaction.

        For what frees room, and for what says what has happened; never for new mail.
        """
        ...

    def transaction(self) -> AbstractContextManager[Connection]:
        """Inside a write turn: commit at the end, durably; roll back on an exception."""
        ...


class Reads:
    """The reads of an engine, outside of any transaction: each sees a moment of its own."""

    __slots__ = ("dialect", "execute")

    def __init__(self, engine: Engine) -> None:
        self.dialect = engine.dialect
        self.execute = engine.read


def with_reserve(engine: Engine, act: Callable[[Connection], _T]) -> _T:
    """In a turn and a transaction of its own: what frees room, or must not wait for room.

    Where the disk is full it is done once more with the reserve, so `act` changes nothing else.
    """
    with engine.write_turn():
        try:
            with engine.transaction() as connection:
                return act(connection)
        except StoreFull:
            engine.make_room()
        with engine.transaction() as connection:
            return act(connection)


def first(rows: Iterable[Row]) -> Row | None:
    """The first row, or None; reads on to the end, so that no statement stays open."""
    found = list(rows)
    return found[0] if found else None
