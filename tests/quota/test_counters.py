"""What RCPT sees of a mailbox, over a real store: exact after any batch, lower after removals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.quota.classes import ClassLimits, Room, decide_room
from mailserver.store.ports.writes import Removal
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import Uid
from tests.store.letters import NOW_S, accept, letter, person, uids_of
from tests.store.template import put_new_store

ADDRESS = "marot@ac-exemple.fr"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store
    store.close()


def room(store: SqliteStore, quota: int) -> Room:
    target = store.people.find_target(ADDRESS)
    assert target is not None
    return decide_room(
        ClassLimits(name="t", quota_count=quota, hard_count=quota + 5),
        used_octets=target.used_octets,
        used_count=target.used_count,
        size_octets=0,
        is_lenient=False,
    )


def test_all_that_one_batch_puts_into_a_nearly_full_mailbox_is_counted(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    accept(store.writes, *(letter((ADDRESS, account.inbox_id)) for _ in range(9)))
    assert room(store, 10) is Room.YES
    # Eight sessions were told yes in the same moment; the next one is not.
    accept(store.writes, *(letter((ADDRESS, account.inbox_id)) for _ in range(8)))
    assert len(uids_of(store, account.inbox_id)) == 17
    assert room(store, 10) is Room.NO


def test_a_quota_lowered_below_what_is_there_refuses_until_enough_is_removed(
    store: SqliteStore,
) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    accept(store.writes, *(letter((ADDRESS, account.inbox_id)) for _ in range(9)))
    assert room(store, 3) is Room.NO
    uids = tuple(map(Uid, uids_of(store, account.inbox_id)))
    assert len(uids) == 9
    store.writes.apply([Removal(mailbox_id=account.inbox_id, uids=uids[:4], removed_at_s=NOW_S)])
    assert room(store, 3) is Room.NOT_NOW
    store.writes.apply([Removal(mailbox_id=account.inbox_id, uids=uids[4:7], removed_at_s=NOW_S)])
    assert room(store, 3) is Room.YES
