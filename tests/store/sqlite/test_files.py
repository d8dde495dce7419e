"""Body files: their names, their end, and the sweep of what a crash left."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mailserver.store.files import bodies as files
from mailserver.store.files.bodies import ORPHAN_AGE_S, SHARDS
from mailserver.store.ports.errors import StoreBroken, StoreFull, StoreUnavailable
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import Uid
from tests.store.letters import (
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter_to,
    people,
    recipient_of,
    remove,
)

OLD_S = NOW_S - ORPHAN_AGE_S - 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store", keep_removed_s=0)
    yield store
    store.close()


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    return tmp_path / "store" / "bodies"


def names(bodies: Path) -> list[str]:
    return sorted(str(f.relative_to(bodies)) for f in bodies.rglob("*") if f.is_file())


def sweep(store: SqliteStore) -> int:
    """One round over every folder of bodies."""
    return sum(store.upkeep.reclaim(now_s=NOW_S).file_count for _ in range(len(SHARDS) + 1))


def test_a_body_waits_in_tmp_and_ends_in_the_folder_of_its_name(
    store: SqliteStore, bodies: Path
) -> None:
    spool = store.bodies.open_spool()
    spool.write(b"octets")
    assert [name.split("/")[0] for name in names(bodies)] == ["tmp"]
    body = spool.commit()
    assert names(bodies) == [f"{body.name[:2]}/{body.name}"]


def test_a_discarded_body_leaves_no_file(store: SqliteStore, bodies: Path) -> None:
    spool = store.bodies.open_spool()
    spool.write(b"octets")
    spool.discard()
    assert names(bodies) == []


def test_the_file_is_unlinked_only_after_the_commit(
    store: SqliteStore, bodies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box,) = people(store, 1)
    spool = store.bodies.open_spool()
    spool.write(b"octets")
    accept(store.writes, letter_to(box, body=spool.commit()))
    remove(store.writes, box, [1], at_s=NOW_S - 1)
    committed: list[bool] = []
    unlink_all = store._files.unlink_all

    def note(names: Sequence[str]) -> None:
        committed.extend(not store._reclaimer.is_named(name) for name in names)
        unlink_all(names)

    monkeypatch.setattr(store._reclaimer, "_unlink_all", note)
    store.upkeep.reclaim(now_s=NOW_S)
    assert committed == [True]
    assert names(bodies) == []


def test_a_message_whose_file_is_missing_can_be_removed(store: SqliteStore, bodies: Path) -> None:
    (box,) = people(store, 1)
    spool = store.bodies.open_spool()
    spool.write(b"octets")
    body = spool.commit()
    accept(store.writes, letter_to(box, body=body))
    os.unlink(bodies / body.name[:2] / body.name)
    remove(store.writes, box, [1], at_s=NOW_S - 1)
    assert store.upkeep.reclaim(now_s=NOW_S).entry_count == 1


def test_old_files_that_no_row_names_are_swept(store: SqliteStore, bodies: Path) -> None:
    (box,) = people(store, 1)
    kept, old, young, abandoned = (store.bodies.open_spool() for _ in range(4))
    for spool in (kept, old, young, abandoned):
        spool.write(b"octets")
    kept_body, old_body, young_body = kept.commit(), old.commit(), young.commit()
    accept(store.writes, letter_to(box, body=kept_body))
    for name in names(bodies):
        at_s = NOW_S if name.endswith(young_body.name) else OLD_S
        os.utime(bodies / name, (at_s, at_s))
    assert sweep(store) == 2
    assert names(bodies) == sorted(f"{b.name[:2]}/{b.name}" for b in (kept_body, young_body))
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), b"octets")
    assert old_body.name not in " ".join(names(bodies))
    abandoned.discard()


def test_a_file_that_vanishes_during_the_sweep_is_no_fault(
    store: SqliteStore, bodies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = store.bodies.open_spool()
    body = spool.commit()
    path = bodies / body.name[:2] / body.name
    os.utime(path, (OLD_S, OLD_S))

    def vanish(_name: str) -> bool:
        path.unlink()
        return False

    found = store._files.orphans(body.name[:2], now_s=NOW_S, is_named=vanish)
    assert list(found) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EFBIG, StoreFull),
        (errno.EIO, StoreBroken),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_disk_fault_is_ours_and_says_which(  # noqa: PLR0917 - pytest calls it by name
    store: SqliteStore,
    bodies: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
    call: str,
) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    spool = store.bodies.open_spool()
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(kind):
        _write_and_commit(spool)
    monkeypatch.undo()
    spool.discard()
    assert names(bodies) == []


def _write_and_commit(spool: object) -> None:
    assert isinstance(spool, files.BodySpool)
    spool.write(b"octets")
    spool.commit()


def test_no_descriptor_left_is_a_passing_fault(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=store.bodies.open_spool().commit()))

    def fail(*_arguments: object) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "open", fail)
    for act in (
        store.bodies.open_spool,
        lambda: store.mail.fetch(box, Uid(1)),
        lambda: store.locks.lock_maildrop(box),
    ):
        with pytest.raises(StoreUnavailable):
            act()


def test_short_writes_lose_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (box,) = people(store, 1)
    whole_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, octets: whole_write(fd, octets[:3]))
    spool = store.bodies.open_spool()
    spool.write(b"ten octets")
    body = spool.commit()
    monkeypatch.undo()
    accept(store.writes, letter_to(box, body=body))
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), b"ten octets")


def test_folders_are_made_anew_when_some_are_missing(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = SqliteStore(folder)
    store.bodies.open_spool().discard()
    store.close()
    (folder / "bodies" / SHARDS[-1]).rmdir()  # as after a kill in the middle
    store = SqliteStore(folder)
    store.bodies.open_spool().discard()
    assert all((folder / "bodies" / shard).is_dir() for shard in (*SHARDS, "tmp"))
    store.close()
