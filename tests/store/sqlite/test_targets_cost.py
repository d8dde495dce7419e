"""What RCPT reads is found by keys, whatever a mailbox or the directory holds."""

from __future__ import annotations

from pathlib import Path

from mailserver.store.sql.lists import readers as lists_readers
from mailserver.store.sql.people import targets
from mailserver.store.sqlite.store import SqliteStore


def _plan(store: SqliteStore, statement: str, values: int) -> list[str]:
    rows = store._engine.read(f"EXPLAIN QUERY PLAN {statement}", (1,) * values)
    return [str(row[-1]) for row in rows]


def test_the_room_of_a_mailbox_is_read_by_keys_and_from_counters(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    try:
        plan = _plan(store, targets._FIND, 1)
        assert all(step.startswith("SEARCH ") for step in plan), plan
        assert not any("entry" in step for step in plan), plan
    finally:
        store.close()


def test_a_slice_of_members_is_read_by_keys(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    try:
        plan = _plan(store, lists_readers._BY_HAND, 6)
        assert not any(step.startswith("SCAN ") for step in plan), plan
    finally:
        store.close()


def test_who_answers_for_an_account_is_found_by_keys(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    try:
        plan = _plan(store, targets._ANSWERABLE, 2)
        scanned = {step for step in plan if step.startswith("SCAN ")}
        assert scanned <= {"SCAN own", "SCAN above"}, plan
    finally:
        store.close()
