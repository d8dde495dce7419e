"""The `Place` of a store on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any, Self

from mailserver.store.postgres.engine import PostgresEngine
from mailserver.store.postgres.store import PostgresStore
from tests.store.postgres import cluster, databases


class PostgresPlace:
    """A database of a cluster that the whole run shares, and a folder for large bodies.

    The folder names its database, so that other processes find it.
    """

    engine = "postgres"
    wakes_within_s = 10.0

    def __init__(self, location: str) -> None:
        self.location = location
        self._opened: list[PostgresStore] = []
        self._copies: list[PostgresPlace] = []
        self._looking: PostgresEngine | None = None

    def make(self) -> None:
        self._take(databases.new_database())

    def open(self, *, keep_removed_s: float = 0.0, keep_history_s: float = 0.0) -> PostgresStore:
        store = PostgresStore(
            self._conninfo(),
            Path(self.location),
            keep_removed_s=keep_removed_s,
            keep_history_s=keep_history_s,
        )
        self._opened.append(store)
        return store

    def rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._inspector().read(statement, parameters)

    def write(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        engine = self._inspector()
        with engine.write_turn(), engine.transaction() as connection:
            connection.execute(statement, parameters)

    def columns(self) -> list[tuple[str, str]]:
        return [
            (table, column)
            for table, column in self.rows(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = 'public'"
            )
        ]

    def close(self) -> None:
        for store in self._opened:
            store.close()
        self._opened.clear()
        if self._looking is not None:
            self._looking.close()
            self._looking = None

    def forget(self, pid: int) -> None:
        """The server notices a moment later that a connection has ended."""
        asked = "SELECT 1 FROM pg_stat_activity WHERE application_name = ?"
        while self.rows(asked, (f"store-{pid}",)):
            time.sleep(0.005)

    def leave(self) -> None:
        self.close()
        if self._noted().exists():
            databases.give_back(self._database())
        for copy in self._copies:
            copy.leave()
        shutil.rmtree(self.location, ignore_errors=True)

    def copy(self, location: str) -> Self:
        self.close()
        shutil.copytree(self.location, location)
        copied = type(self)(location)
        copied._take(databases.copy_database(self._database()))
        self._copies.append(copied)
        return copied

    def put_back(self, copy: Self) -> None:
        self.close()
        database = self._database()
        databases.replace_database(database, copy._database())
        shutil.rmtree(self.location)
        shutil.copytree(copy.location, self.location)
        self._take(database)

    def _take(self, database: str) -> None:
        Path(self.location).mkdir(exist_ok=True)
        self._noted().write_text(database)

    def _noted(self) -> Path:
        return Path(self.location) / "database"

    def _database(self) -> str:
        return self._noted().read_text()

    def _conninfo(self) -> str:
        if not self._noted().exists():
            self.make()
        name = f"dbname={self._database()} application_name=store-{os.getpid()}"
        return f"{cluster.conninfo()} {name}"

    def _inspector(self) -> PostgresEngine:
        if self._looking is None:
            self._looking = PostgresEngine(self._conninfo())
        return self._looking
