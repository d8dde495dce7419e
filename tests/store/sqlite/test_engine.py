"""SQLite's own traps: threads, descriptors, forks, the log."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from mailserver.store.sql.migrations import migrations_to_run
from mailserver.store.sqlite import engine
from mailserver.store.sqlite.store import SqliteStore
from tests.store.letters import accept, as_fetched, fetch, letter_to, people, recipient_of, uids_of
from tests.store.places import SqlitePlace

MIB = 1024 * 1024


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(str(tmp_path / "store"))


def open_files(location: str) -> list[str]:
    """The store's files that this process has open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if name.startswith(location):
            found.append(name)
    return sorted(found)


def open_logs(place: SqlitePlace) -> int:
    """One for each connection; SQLite keeps the database's own descriptors for the next one."""
    return sum(name.endswith("-wal") for name in open_files(place.location))


def test_the_promise_is_in_the_pragmas(place: SqlitePlace) -> None:
    writer = place.open()._engine._writer
    assert [writer.pragma(name) for name in ("journal_mode", "synchronous")] == ["wal", 2]
    place.close()


def test_each_thread_reads_on_its_own_connection_and_leaves_none_behind(
    place: SqlitePlace,
) -> None:
    store = place.open()
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    uids_of(store, box)
    before = open_logs(place)
    seen: list[bytes | None] = []
    for _ in range(5):
        threads = [
            threading.Thread(target=lambda: seen.append(fetch(store, box, 1))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert seen == [as_fetched(recipient_of(box))] * 40
    assert open_logs(place) == before
    place.close()


def test_closing_leaves_no_descriptor_and_no_log(place: SqlitePlace) -> None:
    store = place.open()
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    uids_of(store, box)
    store.locks.become_keeper()
    store.upkeep.checkpoint()
    store.counters.keep_sign_in(b"x", now_s=1.0)
    store.close()
    assert open_files(place.location) == []
    assert not (Path(place.location) / "mail.db-wal").exists()


def test_descriptors_do_not_pass_to_programs_that_we_start(place: SqlitePlace) -> None:
    store = place.open()
    (box,) = people(store, 1)
    lock = store.locks.lock_maildrop(box)
    store.locks.become_keeper()
    spool = store.bodies.open_spool()
    for fd in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if name.startswith(place.location):
            assert fcntl.fcntl(int(fd), fcntl.F_GETFD) & fcntl.FD_CLOEXEC, name
    spool.discard()
    assert lock is not None
    place.close()


def test_a_forked_child_does_not_release_the_lock_of_its_parent(place: SqlitePlace) -> None:
    store = place.open()
    (box,) = people(store, 1)
    lock = store.locks.lock_maildrop(box)
    assert lock is not None
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert store.locks.lock_maildrop(box) is None
    lock.release()
    assert store.locks.lock_maildrop(box) is not None
    place.close()


def test_a_turn_is_released_when_its_work_fails(place: SqlitePlace) -> None:
    store = place.open()
    with pytest.raises(ZeroDivisionError), store._engine.write_turn():
        raise ZeroDivisionError
    people(place.open(), 1)
    place.close()


def test_a_transaction_that_fails_leaves_nothing_and_the_next_begins(place: SqlitePlace) -> None:
    store = place.open()
    statement = "INSERT INTO counter (name, value) VALUES ('x', 1)"

    def fail() -> None:
        with store._engine.write_turn(), store._engine.transaction() as connection:
            connection.execute(statement)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert place.rows("SELECT count(*) FROM counter") == [(1,)]
    place.write(statement)
    assert place.rows("SELECT count(*) FROM counter") == [(2,)]
    place.close()


def test_the_log_is_bounded_without_a_keeper(tmp_path: Path) -> None:
    limit = MIB
    store = SqliteStore(tmp_path / "store", wal_limit_octets=limit)
    (box,) = people(store, 1)
    for _ in range(60):
        accept(store.writes, letter_to(box, body=bytes(100_000)))
    assert store.upkeep.log_octets() < limit * engine.LOG_GUARD_FACTOR + MIB
    store.close()


def test_a_reader_in_the_log_delays_its_restart_and_not_the_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RESTART_WAIT_MS", 1)
    store = SqliteStore(tmp_path / "store", wal_limit_octets=0)
    (box,) = people(store, 1)
    uids_of(store, box)
    reader = store._engine._local.reader
    rows = reader.execute("SELECT * FROM mailbox, counter")  # not read to its end
    next(rows)
    for _ in range(3):
        accept(store.writes, letter_to(box))
    rows.close(True)
    accept(store.writes, letter_to(box))
    assert uids_of(store, box) == [1, 2, 3, 4]
    store.close()


def test_the_log_can_be_moved_while_a_transaction_is_open(place: SqlitePlace) -> None:
    store = place.open()
    (box,) = people(store, 1)
    with store._engine.write_turn(), store._engine.transaction() as connection:
        connection.execute("UPDATE counter SET value = value + 0")
        store._engine.move_log()
    accept(store.writes, letter_to(box))
    assert store.upkeep.checkpoint() == 0
    place.close()


def test_migrations_run_in_the_order_of_their_numbers() -> None:
    names = ["0003_c.sql", "0001_a.sql", "readme.txt", "0010_d.sql", "0002_b.sql"]
    assert migrations_to_run(1, names) == ["0002_b.sql", "0003_c.sql", "0010_d.sql"]
    assert migrations_to_run(10, names) == []


def test_the_database_and_its_log_are_their_owners_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "private")
    people(store, 1)
    found = (tmp_path / "private").glob("mail*")
    modes = {file.name: file.stat().st_mode & 0o777 for file in found}
    store.close()
    assert set(modes.values()) == {0o600}
    assert {"mail.db", "mail.db-wal"} <= set(modes)
