"""A disk that is full or broken: what is answered, and what is on disk afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mailserver.store.ports.errors import StoreBroken, StoreFull, StoreUnavailable
from mailserver.store.ports.writes import Accepted, Failed
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import MailboxId
from tests.store.letters import accept, letter_to, people, uids_of
from tests.store.sqlite.faults import Disk, failing_disk

LOG, DATABASE = "mail.db-wal", "mail.db"
GONE = MailboxId(999_999)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with failing_disk() as disk:
        yield disk


@pytest.fixture
def store(disk: Disk, tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store")
    yield store
    disk.mend()
    store.close()


def faults(store: SqliteStore, box: MailboxId, count: int = 1) -> list[type[BaseException]]:
    """The errors with which a batch fails, all of it."""
    outcomes = store.writes.apply([letter_to(box) for _ in range(count)])
    assert all(isinstance(outcome, Failed) for outcome in outcomes)
    return [type(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)]


def test_a_full_disk_fails_the_write_and_nothing_else(store: SqliteStore, disk: Disk) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    disk.on_write[LOG] = apsw.FullError
    assert faults(store, box, 3) == [StoreFull] * 3
    assert uids_of(store, box) == [1]
    disk.mend()
    accept(store.writes, letter_to(box))
    assert uids_of(store, box) == [1, 2]


@pytest.mark.parametrize("where", ["write", "sync"])
def test_an_io_error_breaks_the_store_for_good(store: SqliteStore, disk: Disk, where: str) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    (disk.on_write if where == "write" else disk.on_sync)[LOG] = apsw.IOError
    assert faults(store, box, 3) == [StoreBroken] * 3
    disk.mend()
    assert faults(store, box) == [StoreBroken]  # what the disk holds is not known any more
    with pytest.raises(StoreBroken):
        store.accounts.add_account(identifier="x", name="x", addresses=[], now_s=1.0)
    assert uids_of(store, box) == [1]


def test_a_disk_that_breaks_on_the_way_leaves_the_accepted_accepted(
    store: SqliteStore, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box,) = people(store, 1)
    commit = store.writes._commit

    def break_after_one(batch: list[object]) -> list[object]:
        outcomes = commit(batch)  # type: ignore[arg-type]
        disk.on_sync[LOG] = apsw.IOError
        return outcomes  # type: ignore[return-value]

    monkeypatch.setattr(store.writes, "_commit", break_after_one)
    outcomes = store.writes.apply([letter_to(GONE), letter_to(box), letter_to(box)])
    assert [type(outcome) for outcome in outcomes] == [Failed, Accepted, Failed]
    assert isinstance(outcomes[2], Failed)
    assert isinstance(outcomes[2].error, StoreBroken)
    assert uids_of(store, box) == [1]


@pytest.mark.parametrize("fault", [apsw.FullError, apsw.IOError])
def test_a_log_that_cannot_be_moved_never_undoes_a_commit(
    disk: Disk, tmp_path: Path, fault: type[apsw.Error]
) -> None:
    store = SqliteStore(tmp_path / "store", wal_limit_octets=0)  # each commit wants to move it
    (box,) = people(store, 1)
    disk.on_write[DATABASE] = fault
    outcomes = store.writes.apply([letter_to(box), letter_to(box)])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]
    assert uids_of(store, box) == [1, 2]
    disk.mend()
    store.close()
    again = SqliteStore(tmp_path / "store")
    assert uids_of(again, box) == [1, 2]
    again.close()


def test_the_keeper_hears_that_the_disk_is_full_and_mail_goes_on(
    store: SqliteStore, disk: Disk
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    disk.on_write[DATABASE] = apsw.FullError
    with pytest.raises(StoreUnavailable):
        store.upkeep.checkpoint()
    accept(store.writes, letter_to(box))
    disk.mend()
    store.upkeep.checkpoint()
    assert uids_of(store, box) == [1, 2]


def test_a_damaged_database_is_broken_and_not_empty(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    SqliteStore(folder).close()
    (folder / "mail.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreBroken):
        SqliteStore(folder)


def test_another_program_in_the_database_is_a_passing_fault(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box,) = people(store, 1)
    store._engine._writer.set_busy_timeout(1)
    intruder = apsw.Connection(str(tmp_path / "store" / "mail.db"))
    intruder.execute("BEGIN IMMEDIATE")
    assert faults(store, box) == [StoreUnavailable]
    intruder.execute("ROLLBACK")
    intruder.close()
    accept(store.writes, letter_to(box))
