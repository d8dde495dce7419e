"""The `Counters` and `Collections` ports: tables without a log, in a schema of their own.

A server that was killed empties them; nothing here may be worth an error.
"""

from __future__ import annotations

from mailserver.store.ports.errors import StoreError
from mailserver.store.postgres.engine import PostgresEngine
from mailserver.store.sql.counters.counters import SqlCounters
from mailserver.store.sql.dialect import Dialect
from mailserver.store.sql.engine import Parameters, Row


class PostgresCounters(SqlCounters):
    """Safe to call from any thread."""

    def __init__(self, engine: PostgresEngine) -> None:
        """engine: of the schema of what may be lost; its readers may write."""
        self._engine = engine
        super().__init__()

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    def execute(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        try:
            return self._engine.read(statement, parameters)
        except StoreError:
            return []
