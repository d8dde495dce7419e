"""The `RepeatMemory` port over a table that may be lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mailserver.store.ports.shared.repeats import DAY_S, WINDOW_S

SCHEMA: Final = """
CREATE {lossy}TABLE IF NOT EXISTS repeat (
    key {blob} PRIMARY KEY, source TEXT NOT NULL, at_s {real} NOT NULL) {clustered};
"""
_CLAIM = """
    INSERT INTO repeat (key, source, at_s) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE
    SET source = CASE WHEN repeat.at_s < ?4 THEN ?2 ELSE repeat.source END,
        at_s = CASE WHEN repeat.at_s < ?4 THEN ?3 ELSE repeat.at_s END
    RETURNING source"""
_RELEASE = "DELETE FROM repeat WHERE key = ? AND source = ?"
_TAKE = """
    INSERT INTO repeat (key, source, at_s) VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET source = excluded.source, at_s = excluded.at_s"""
_RECALL = "SELECT source FROM repeat WHERE key = ? AND at_s >= ?"
_FORGET = "DELETE FROM repeat WHERE at_s < ?"

Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


class SqlRepeats:
    """`run` answers with no rows where the scratch is not readable: then nothing is a repeat."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def claim(self, key: bytes, source: str, *, now_s: float) -> str:
        rows = self._run(_CLAIM, (key, source, now_s, now_s - WINDOW_S))
        return str(rows[0][0]) if rows else source

    def release(self, key: bytes, source: str) -> None:
        self._run(_RELEASE, (key, source))

    def take(self, key: bytes, source: str, *, now_s: float) -> None:
        self._run(_TAKE, (key, source, now_s))

    def recall(self, key: bytes, *, now_s: float, window_s: float = WINDOW_S) -> str:
        rows = self._run(_RECALL, (key, now_s - window_s))
        return str(rows[0][0]) if rows else ""

    def forget(self, *, now_s: float) -> None:
        """Drop what is over; called by the keeper."""
        self._run(_FORGET, (now_s - DAY_S,))
