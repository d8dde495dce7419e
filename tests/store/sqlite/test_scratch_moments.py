"""Moments in the scratch database: each is known to what brings them back."""

from __future__ import annotations

from pathlib import Path

import apsw

from mailserver.store.moments import SCRATCH
from mailserver.store.sqlite.store import SqliteStore


def test_every_column_that_holds_a_moment_is_brought_back(tmp_path: Path) -> None:
    """A new one fails here until somebody has added it."""
    store = SqliteStore(tmp_path / "store")
    store.counters.read_reports()
    database = apsw.Connection(str(tmp_path / "store" / "scratch.db"))
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE sql <> ''")]
    held = {
        (table, row[1])
        for table in tables
        for row in database.execute(f"PRAGMA table_info({table})")
        if row[1].endswith("_s") or row[1] == "slot"
    }
    database.close()
    store.close()
    assert held == {(table, column) for table, columns in SCRATCH.items() for column in columns}
