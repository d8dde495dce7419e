"""Where a store under test lives, one class per engine.

The contract suite knows a store by its port and by a few rows that the port
does not show; both come from a `Place`.  A new engine adds a class here and an
entry in `PLACES`, and every test of `tests/store/contract` runs on it too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self

import pytest

from mailserver.store.ports.store import Store
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import MailboxId, MessageId
from tests.programs import needs_program
from tests.store.postgres import cluster
from tests.store.template import put_new_store


class Place(Protocol):
    """One store, opened as often as a test likes, as several processes would."""

    engine: str
    location: str
    wakes_within_s: float
    """How long it takes at most until other processes are woken."""

    def make(self) -> None:
        """A new store, as one that was opened and closed; copied, as to make one takes longer."""
        ...

    def open(self, *, keep_removed_s: float = 0.0, keep_history_s: float = 0.0) -> Store:
        """Open the store once more; it is closed at the end of the test."""
        ...

    def rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What the tables hold, in SQL that every engine speaks."""
        ...

    def write(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        """Change a row behind the port's back."""
        ...

    def columns(self) -> list[tuple[str, str]]:
        """(table, column) of all that must survive."""
        ...

    def forget(self, pid: int) -> None:
        """A process was killed: until nothing of it is left."""
        ...

    def close(self) -> None: ...

    def leave(self) -> None:
        """Close everything; nobody needs the store any more."""
        ...

    def copy(self, location: str) -> Self:
        """What somebody makes who copies the closed store to another place."""
        ...

    def put_back(self, copy: Self) -> None:
        """Close everything; the store is that copy from now on."""
        ...


_NO_FIFO = shutil.ignore_patterns("wakeup")


class SqlitePlace:
    """An embedded store in a folder of its own."""

    engine = "sqlite"
    wakes_within_s = 0.0

    def __init__(self, location: str) -> None:
        self.location = location
        self._opened: list[SqliteStore] = []
        self._looking: SqliteStore | None = None

    def make(self) -> None:
        put_new_store(Path(self.location))

    def open(self, *, keep_removed_s: float = 0.0, keep_history_s: float = 0.0) -> SqliteStore:
        store = SqliteStore(
            Path(self.location), keep_removed_s=keep_removed_s, keep_history_s=keep_history_s
        )
        self._opened.append(store)
        return store

    def rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._inspector()._engine.read(statement, parameters)

    def write(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        engine = self._inspector()._engine
        with engine.write_turn(), engine.transaction() as connection:
            list(connection.execute(statement, parameters))

    def close(self) -> None:
        for store in self._opened:
            store.close()
        self._opened.clear()
        self._looking = None

    def forget(self, pid: int) -> None:
        """The kernel let go of its locks when it died."""

    def leave(self) -> None:
        self.close()

    def columns(self) -> list[tuple[str, str]]:
        return [
            (table, column)
            for (table,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (column,) in self.rows(f"SELECT name FROM pragma_table_info('{table}')")
        ]

    def copy(self, location: str) -> Self:
        self.close()
        shutil.copytree(self.location, location, ignore=_NO_FIFO)
        return type(self)(location)

    def put_back(self, copy: Self) -> None:
        self.close()
        shutil.rmtree(self.location)
        shutil.copytree(copy.location, self.location)

    def _inspector(self) -> SqliteStore:
        """A handle of our own, whatever the test does to its."""
        if self._looking is None:
            self._looking = self.open()
        return self._looking


def _postgres(location: str) -> Place:
    """To load its driver takes a tenth of a second, and few processes need it."""
    from tests.store.postgres.place import PostgresPlace

    return PostgresPlace(location)


PLACES: Final[dict[str, Callable[[str], Place]]] = {
    "postgres": _postgres,
    "sqlite": SqlitePlace,
}
ENGINES: Final = (
    "sqlite",
    pytest.param("postgres", marks=needs_program("postgres", place=cluster.find_programs())),
)
"""Of the contract suite; one that is not installed is skipped."""


def examples_on(engine: str, count: int) -> int:
    """A commit is a few trips there: so many random examples would take minutes."""
    return max(1, count // 8) if engine == "postgres" else count


def recount(place: Place, mailbox_id: MailboxId) -> tuple[int, int]:
    """(entries, octets) that a mailbox shows, counted row by row."""
    found = place.rows(
        "SELECT count(*), coalesce(sum(octets), 0) FROM entry"
        " WHERE mailbox_id = ? AND removed_modseq IS NULL",
        (mailbox_id,),
    )
    return int(found[0][0]), int(found[0][1])


def recount_removed(place: Place, mailbox_id: MailboxId) -> tuple[int, int]:
    """(entries, shares of octets) that a mailbox hides, counted row by row."""
    found = place.rows(
        "SELECT count(*), coalesce(sum(coalesce(share_octets, octets)), 0) FROM entry"
        " WHERE mailbox_id = ? AND removed_modseq IS NOT NULL",
        (mailbox_id,),
    )
    return int(found[0][0]), int(found[0][1])


def removed_totals(place: Place, mailbox_id: MailboxId) -> tuple[int, int]:
    """The same, as the mailbox's columns say."""
    ((found_count, octets),) = place.rows(
        "SELECT removed_count, removed_octets FROM mailbox WHERE mailbox_id = ?", (mailbox_id,)
    )
    return int(found_count), int(octets)


def copies(place: Place, message_id: MessageId) -> list[tuple[Any, ...]]:
    """(recipient, state, mailbox, uid) of each copy, in the envelope's order."""
    return place.rows(
        "SELECT recipient, state, mailbox_id, uid FROM copy WHERE message_id = ? ORDER BY copy_no",
        (message_id,),
    )


def count(place: Place, table: str) -> int:
    """How many rows a table holds."""
    return int(place.rows(f"SELECT count(*) FROM {table}")[0][0])
