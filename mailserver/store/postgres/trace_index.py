"""The index behind journeys, as two tables beside the others; see `sql.history.tracing`.

Written without waiting for the disk, as the embedded store writes its own file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mailserver.store.ports.errors import StoreError
from mailserver.store.postgres.engine import PostgresEngine
from mailserver.store.sql.bulk import insert
from mailserver.store.sql.engine import Parameters, Row
from mailserver.store.sql.history.tracing import Progress
from mailserver.values.ids import AcceptId, MessageId

BUCKET: Final = 1 << 14
"""Messages that are forgotten together."""
FORGET_SLICE: Final = 5_000

SCHEMA: Final = """
CREATE UNLOGGED TABLE trace (
    digest {integer} NOT NULL, message_id {integer} NOT NULL, PRIMARY KEY (digest, message_id));
CREATE INDEX trace_message ON trace (message_id);
CREATE UNLOGGED TABLE progress (
    only_one {integer} PRIMARY KEY, message_id {integer} NOT NULL, accept_id {blob} NOT NULL);
"""
_ADD = "INSERT INTO trace (digest, message_id) {rows:integer integer} ON CONFLICT DO NOTHING"
_NOTE = """
    INSERT INTO progress (only_one, message_id, accept_id) VALUES (1, ?, ?)
    ON CONFLICT (only_one) DO UPDATE SET message_id = excluded.message_id,
        accept_id = excluded.accept_id"""
_PROGRESS = "SELECT message_id, accept_id FROM progress"
_FIND = """
    SELECT message_id FROM trace WHERE digest = ? ORDER BY message_id DESC LIMIT ?"""
_OLDEST = "SELECT min(message_id) FROM trace"
_FORGET = """
    DELETE FROM trace WHERE (digest, message_id) IN
        (SELECT digest, message_id FROM trace WHERE message_id BETWEEN ? AND ? LIMIT ?)
    RETURNING 1"""
_CLEAR = ("DELETE FROM trace", "DELETE FROM progress")


class PostgresTraceIndex:
    """The `TraceIndex` of the statements."""

    def __init__(self, engine: PostgresEngine) -> None:
        """engine: of the tables that may be lost."""
        self._engine = engine

    def progress(self) -> Progress | None:
        rows = self._read(_PROGRESS)
        return Progress(MessageId(rows[0][0]), AcceptId(rows[0][1])) if rows else None

    def find(self, digest: int, *, limit: int) -> list[MessageId]:
        return [MessageId(row[0]) for row in self._read(_FIND, (digest, limit))]

    def add(self, keys: Iterable[tuple[MessageId, Iterable[int]]], progress: Progress) -> None:
        rows = sorted((digest, message_id) for message_id, digests in keys for digest in digests)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            insert(connection, _ADD, rows)
            connection.execute(_NOTE, (progress.message_id, progress.accept_id))

    def oldest_range(self) -> tuple[MessageId, MessageId] | None:
        rows = self._read(_OLDEST)
        if not rows or rows[0][0] is None:
            return None
        first = rows[0][0] // BUCKET * BUCKET
        return MessageId(first), MessageId(first + BUCKET - 1)

    def forget(self, first: MessageId) -> int:
        which = (first, first + BUCKET - 1, FORGET_SLICE)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return len(list(connection.execute(_FORGET, which)))

    def clear(self) -> None:
        """Forget everything: it does not belong to this history."""
        with self._engine.write_turn(), self._engine.transaction() as connection:
            for statement in _CLEAR:
                connection.execute(statement)

    def _read(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Rows, or none when the index does not answer: then the search looks for itself."""
        try:
            return self._engine.read(statement, parameters)
        except StoreError:
            return []
