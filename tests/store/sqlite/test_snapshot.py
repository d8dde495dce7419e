"""The copy of a database while others write to it: of one moment, whole, and it opens."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from mailserver.store.files.bodies import SHARDS
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.sqlite import snapshot as snapshot_module
from mailserver.store.sqlite.engine import DATABASE, SqliteEngine
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.message import FiledBody
from tests.store.letters import NOW_S, accept, fetch, letter_to, people, remove, uids_of
from tests.store.queued import outgoing

SOURCES = Path(__file__).parents[3] / "mailserver" / "store"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Any:
    with closing(SqliteStore(folder, keep_removed_s=0, keep_history_s=0)) as opened:
        yield opened


def nothing(_done: int, _total: int) -> None:
    """Nobody looks at the progress."""


def filed(store: SqliteStore, octets: bytes) -> FiledBody:
    spool = store.bodies.open_spool()
    spool.write(octets)
    return spool.commit()


def place_write(store: SqliteStore, statement: str) -> None:
    """Behind the port's back."""
    with store._engine.write_turn(), store._engine.transaction() as connection:
        list(connection.execute(statement))


def tables(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and what the schema says."""
    with closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        schema = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
        found: dict[str, list[tuple[Any, ...]]] = {"": schema.fetchall()}
        for kind, name, _ in found[""]:
            if kind == "table":
                found[str(name)] = sorted(db.execute(f'SELECT * FROM "{name}"'), key=repr)
        return found


def test_a_copy_equals_the_store_row_by_row(store: SqliteStore, folder: Path) -> None:
    boxes = people(store, 3)
    accept(store.writes, letter_to(*boxes), outgoing("a@b.test"))
    accept(store.writes, letter_to(boxes[0], body=filed(store, b"x" * 1000)))
    remove(store.writes, boxes[1], [1])
    copy = folder.parent / "copy.db"
    snapshot = store.backups.copy_database(copy, nothing)
    assert tables(copy) == tables(folder / DATABASE)
    assert (snapshot.account_count, snapshot.message_count, snapshot.queued_count) == (3, 3, 1)
    assert [body.octets for body in snapshot.bodies] == [1000]
    assert copy.stat().st_mode & 0o777 == 0o600


def test_what_comes_changes_and_goes_meanwhile_is_in_the_copy_as_it_is_at_its_moment(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "SLICE_MESSAGES", 4)
    (box,) = people(store, 1)
    for number in range(40):
        octets = b"n%d" % number
        accept(store.writes, letter_to(box, body=filed(store, octets) if number % 3 else octets))
    removed = iter(range(1, 60))

    def meanwhile(done: int, total: int) -> None:
        if done < total:  # each slice: one more comes, two go for good
            accept(store.writes, letter_to(box), outgoing("c@d.test"))
            remove(store.writes, box, [next(removed), next(removed)])
            while store.upkeep.reclaim(now_s=NOW_S + 10).entry_count:
                continue
            place_write(store, "UPDATE message SET accepted_at_s = accepted_at_s + 1")

    copy = folder.parent / "copy.db"
    with store.backups.hold_bodies():
        snapshot = store.backups.copy_database(copy, meanwhile)
        assert next(removed) > 10, "nothing happened meanwhile"
        assert tables(copy) == tables(folder / DATABASE)
        for body in snapshot.bodies:
            assert store.backups.body_file(body.name).stat().st_size == body.octets


def test_the_copy_opens_as_a_store_and_goes_on(store: SqliteStore, folder: Path) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box), letter_to(box))
    other = folder.parent / "other"
    other.mkdir()
    store.backups.copy_database(other / DATABASE, nothing)
    with closing(SqliteStore(other)) as opened:
        accept(opened.writes, letter_to(box))
        assert uids_of(opened, box) == [1, 2, 3]


def test_the_log_starts_over_while_bodies_are_copied(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No read lasts from one slice to the next, so the keeper can move all of the log."""
    monkeypatch.setattr(snapshot_module, "SLICE_MESSAGES", 2)
    (box,) = people(store, 1)
    accept(store.writes, *[letter_to(box) for _ in range(10)])
    left: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        if done < total:
            accept(store.writes, letter_to(box))
            left.append(store.upkeep.checkpoint())

    store.backups.copy_database(folder.parent / "copy.db", meanwhile)
    assert len(left) >= 4
    assert set(left) == {0}


def test_a_database_that_is_migrated_meanwhile_is_copied_anew(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "SLICE_MESSAGES", 1)
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box), letter_to(box))
    engine = SqliteEngine(folder, log_limit_octets=1 << 20)

    def meanwhile(done: int, total: int) -> None:
        with engine.write_turn(), engine.transaction():
            engine.script("CREATE TABLE IF NOT EXISTS newer (a INTEGER) STRICT")

    with closing(engine), pytest.raises(StoreUnavailable, match="migrated meanwhile"):
        store.backups.copy_database(folder.parent / "copy.db", meanwhile)


def test_a_file_that_is_there_is_never_written_over(store: SqliteStore, folder: Path) -> None:
    there = folder.parent / "copy.db"
    there.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        store.backups.copy_database(there, nothing)
    assert there.read_bytes() == b"mine"


def test_a_message_never_gets_another_body_and_nothing_behind_it_changes(folder: Path) -> None:
    """What the copy counts on.  A statement that changes more must be thought of there first."""
    found = [
        re.findall(r"(\w+) = (\S+?),? ", f"{changes} ")
        for source in SOURCES.rglob("*.*")
        if source.suffix in {".py", ".sql"}
        for changes in re.findall(
            r"UPDATE message\s+SET\s+([^\"]*?)\s(?:FROM|WHERE)", source.read_text("utf-8")
        )
    ]
    with closing(SqliteStore(folder)) as store:
        rows = store._engine.read("SELECT name FROM pragma_table_info('message') ORDER BY cid")
    names = [str(name) for (name,) in rows]
    assert len(found) >= 2
    for changes in found:
        for name, value in changes:
            assert names.index(name) <= names.index("body"), name
            assert name != "body" or value == "NULL"


# --- bodies that are held -----------------------------------------------------------


def test_held_bodies_stay_and_go_with_the_sweep_once_nobody_holds_them(
    store: SqliteStore, folder: Path
) -> None:
    (box,) = people(store, 1)
    body = filed(store, b"Subject: a\r\n\r\nb\r\n")
    accept(store.writes, letter_to(box, body=body))
    remove(store.writes, box, [1])
    path = store.backups.body_file(body.name)
    a_day_later_s = path.stat().st_mtime + 2 * 86_400.0
    with store.backups.hold_bodies():
        assert store.upkeep.reclaim(now_s=NOW_S + 10).message_count == 1
        for _ in range(len(SHARDS) + 1):
            store.upkeep.reclaim(now_s=a_day_later_s)
        assert path.exists()
    for _ in range(len(SHARDS) + 1):
        store.upkeep.reclaim(now_s=a_day_later_s)
    assert not path.exists()


def test_two_backups_may_hold_at_a_time(store: SqliteStore) -> None:
    with store.backups.hold_bodies(), store.backups.hold_bodies():
        assert store.upkeep.reclaim(now_s=NOW_S).file_count == 0


def test_a_body_that_arrives_while_bodies_are_held_is_kept(store: SqliteStore) -> None:
    (box,) = people(store, 1)
    with store.backups.hold_bodies():
        accept(store.writes, letter_to(box, body=filed(store, b"Subject: a\r\n\r\nb\r\n")))
        assert fetch(store, box, 1) is not None
