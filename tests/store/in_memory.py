"""Counters of the embedded store over a database in memory, for tests of who uses them."""

from __future__ import annotations

import apsw

from mailserver.store.sql.counters.counters import SCHEMA, SqlCounters
from mailserver.store.sql.dialect import SQLITE, Dialect
from mailserver.store.sql.engine import Parameters, Row
from mailserver.values.ids import AccountId


class CountersInMemory(SqlCounters):
    """The `Counters` port of one thread."""

    def __init__(self) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.execute(SQLITE.schema(SCHEMA))
        super().__init__()

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    def execute(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        return self._connection.execute(statement, parameters).fetchall()

    def sent_messages(self) -> dict[AccountId, int]:
        """All that are counted of each account."""
        rows = self.execute("SELECT account_id, sum(messages) FROM sent GROUP BY account_id")
        return {AccountId(account_id): count for account_id, count in rows}
