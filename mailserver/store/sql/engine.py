"""What the statements need of a database engine, and nothing else.

Placeholders are `?`.  An engine turns its library's errors into
`StoreUnavailable` and `StoreBroken`; a broken constraint is `ConstraintBroken`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mailserver.store.ports import StoreError

Parameters = Sequence[Any]
Row = tuple[Any, ...]


class ConstraintBroken(StoreError):
    """A UNIQUE or NOT NULL was violated; the transaction is void."""


class Connection(Protocol):
    """A connection inside a transaction."""

    def execute(self, statement: str, parameters: Parameters = ()) -> Iterable[Row]: ...


class Engine(Protocol):
    def read(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one SELECT, on this thread's read-only connection: one snapshot."""
        ...

    def write_turn(self) -> AbstractContextManager[None]:
        """The one write lock of the store, over all processes.  Not re-entrant."""
        ...

    def transaction(self) -> AbstractContextManager[Connection]:
        """Inside a write turn: commit at the end, durably; roll back on an exception."""
        ...


def first(rows: Iterable[Row]) -> Row | None:
    """The first row, or None; reads on to the end, so that no statement stays open."""
    found = list(rows)
    return found[0] if found else None


def rows_of(count: int, columns: int) -> str:
    """`(?,?),(?,?)`: placeholders for a multi-row VALUES."""
    row = "(" + ",".join("?" * columns) + ")"
    return ",".join([row] * count)
