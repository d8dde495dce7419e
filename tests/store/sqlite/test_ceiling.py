"""What removed messages may hold of the disk; the reserve; the scratch on a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mailserver.store.files.reserve import Reserve
from mailserver.store.files.room import RoomRules
from mailserver.store.sqlite.scratch import SqliteScratch
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import MailboxId
from tests.store.letters import NOW_S, accept, letter_to, people, remove, uids_of
from tests.store.sqlite.faults import failing_disk
from tests.store.template import put_new_store

LETTER = b"\r\n" + b"x" * 10_000
KEEP_S = 1e6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put_new_store(tmp_path / "store")


def opened(folder: Path, *, removed_octets: int) -> SqliteStore:
    """A store whose removed messages may hold so many octets."""
    with_room = SqliteStore(folder)
    total_octets = with_room.bodies.disk_room().total_octets
    with_room.close()
    rules = RoomRules(removed_fraction=removed_octets / total_octets)
    return SqliteStore(folder, keep_removed_s=KEEP_S, room=rules)


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    """Removed messages may hold 3 MB."""
    store = opened(folder, removed_octets=3_000_000)
    yield store
    store.close()


def removed_in(store: SqliteStore, *counts: int) -> list[MailboxId]:
    """Mailboxes from which so many messages of 10 KB were removed, just now."""
    boxes = people(store, len(counts))
    for box, count in zip(boxes, counts, strict=True):
        accept(store.writes, *(letter_to(box, body=LETTER) for _ in range(count)))
        remove(store.writes, box, uids_of(store, box))
    return boxes


def reclaim_all(store: SqliteStore) -> int:
    count = 0
    while freed := store.upkeep.reclaim(now_s=NOW_S).entry_count:
        count += freed
    return count


def left_in(store: SqliteStore, boxes: list[MailboxId]) -> list[int]:
    return [len(store.mail.removed_uids(box, since_s=0.0)) for box in boxes]


def test_below_their_ceiling_removed_messages_stay_for_their_time(store: SqliteStore) -> None:
    boxes = removed_in(store, 100, 50)
    assert reclaim_all(store) == 0
    assert left_in(store, boxes) == [100, 50]


def test_above_it_those_of_the_largest_go_and_nobody_elses(store: SqliteStore) -> None:
    boxes = removed_in(store, 900, 20, 30)
    assert reclaim_all(store) == 800
    assert left_in(store, boxes) == [100, 20, 30]
    assert store.mail.removed_room().octets <= 3_000_000


def test_a_mailbox_in_use_is_passed_by(store: SqliteStore) -> None:
    boxes = removed_in(store, 500, 300)
    lock = store.locks.lock_maildrop(boxes[0])
    assert lock is not None
    assert reclaim_all(store) == 300
    assert left_in(store, boxes) == [500, 0]
    lock.release()
    assert reclaim_all(store) == 400
    assert left_in(store, boxes) == [100, 0]


def test_a_newsletter_that_everybody_removed_is_no_reason(store: SqliteStore) -> None:
    boxes = people(store, 400)
    accept(store.writes, letter_to(*boxes, body=LETTER))
    for box in boxes:
        remove(store.writes, box, [1])
    assert reclaim_all(store) == 0
    assert left_in(store, boxes) == [1] * 400


def test_nothing_is_kept_where_they_may_hold_nothing(folder: Path) -> None:
    store = opened(folder, removed_octets=0)
    boxes = removed_in(store, 3, 250)
    assert reclaim_all(store) == 253
    assert left_in(store, boxes) == [0, 0]
    store.close()


def test_what_shows_is_never_touched(folder: Path) -> None:
    store = opened(folder, removed_octets=0)
    (box,) = people(store, 1)
    accept(store.writes, *(letter_to(box) for _ in range(10)))
    remove(store.writes, box, [2, 4])
    assert reclaim_all(store) == 2
    assert uids_of(store, box) == [1, 3, 5, 6, 7, 8, 9, 10]
    store.close()


# --- the reserve ------------------------------------------------------------------------


def test_a_reserve_is_owed_once_it_was_given_away(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", wanted_octets=100_000)
    assert (reserve.octets(), reserve.owed_octets(), reserve.is_full()) == (None, 0, False)
    assert not reserve.release()
    assert reserve.fill()
    assert (reserve.octets(), reserve.owed_octets(), reserve.is_full()) == (100_000, 0, True)
    assert reserve.release()
    assert (reserve.octets(), reserve.owed_octets(), reserve.is_full()) == (0, 100_000, False)
    assert not reserve.release()
    assert reserve.fill()
    assert reserve.is_full()
    assert (tmp_path / "reserve").stat().st_mode & 0o777 == 0o600


def test_a_reserve_that_may_not_be_made_is_none(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "missing" / "reserve", wanted_octets=100_000)
    assert not reserve.fill()
    assert not reserve.is_full()


def test_a_reserve_becomes_larger_with_the_limit_of_the_log(tmp_path: Path) -> None:
    assert Reserve(tmp_path / "reserve", wanted_octets=100_000).fill()
    larger = Reserve(tmp_path / "reserve", wanted_octets=300_000)
    assert not larger.is_full()
    assert larger.fill()
    assert larger.octets() == 300_000


# --- what may be lost -------------------------------------------------------------------


def test_a_full_disk_does_not_make_the_scratch_anew(tmp_path: Path) -> None:
    with failing_disk() as disk:
        scratch = SqliteScratch(tmp_path / "scratch.db")
        scratch.keep_sign_in(b"one", now_s=NOW_S)
        disk.on_write["scratch.db-wal"] = apsw.FullError
        scratch.keep_sign_in(b"two", now_s=NOW_S)
        disk.mend()
        assert scratch.recall_sign_in(b"one", now_s=NOW_S, lifetime_s=9.0)
        assert not scratch.recall_sign_in(b"two", now_s=NOW_S, lifetime_s=9.0)
        assert not (tmp_path / "scratch.db.unreadable").exists()
        scratch.close()
