"""A disk that is full to the last block: what is removed still goes, and makes room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.store.files.room import RoomRules
from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.errors import StoreFull
from mailserver.store.ports.writes import Accepted, Failed
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import MailboxId, Uid
from mailserver.values.message import InlineBody
from tests.disks import KINDS, MIB, SmallDisk, small_disk
from tests.store.letters import NOW_S, letter_to, people, remove, uids_of
from tests.store.queued import Agent, outgoing

DISK_MIB = 48
KEEP_S = 1e6
WAL_LIMIT_OCTETS = 4 * MIB
LETTER = b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n"
RULES = RoomRules(inline_limit_octets=MIB, log_octets=2 * WAL_LIMIT_OCTETS)


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(request.param, tmp_path, mib=DISK_MIB) as disk:
        yield disk


def opened(disk: SmallDisk, *, rules: RoomRules = RULES) -> SqliteStore:
    return SqliteStore(
        disk.folder / "store", wal_limit_octets=WAL_LIMIT_OCTETS, room=rules, keep_removed_s=KEEP_S
    )


def deliver_until_full(store: SqliteStore, box: MailboxId) -> int:
    """With nobody who looks at the room first; the number of messages that are there."""
    while True:
        (outcome,) = store.writes.apply([letter_to(box, body=LETTER)])
        if isinstance(outcome, Failed):
            assert isinstance(outcome.error, StoreFull)
            return len(uids_of(store, box))
        assert isinstance(outcome, Accepted)


def reclaim_all(store: SqliteStore, *, now_s: float = NOW_S + KEEP_S) -> int:
    count = 0
    while freed := store.upkeep.reclaim(now_s=now_s).entry_count:
        count += freed
    return count


def test_removals_work_on_a_disk_that_somebody_else_has_filled(disk: SmallDisk) -> None:
    store = opened(disk)
    (box,) = people(store, 1)
    for _ in range(100):
        assert isinstance(store.writes.apply([letter_to(box, body=LETTER)])[0], Accepted)
    store.upkeep.checkpoint()
    assert store.upkeep.keep_reserve()
    disk.fill()
    for uid in range(1, 101):
        assert remove(store.writes, box, [uid]) == 1  # 100 times +OK to QUIT
        if uid % 25 == 0:
            disk.fill()  # and somebody takes whatever is left
    assert uids_of(store, box) == []
    assert store.upkeep.must_make_room()
    assert reclaim_all(store) == 100
    assert store.bodies.disk_room().reusable_octets > 95 * 100_000
    store.close()


def test_removals_work_on_a_disk_that_mail_has_filled(disk: SmallDisk) -> None:
    store = opened(disk)
    (box,) = people(store, 1)
    assert store.upkeep.keep_reserve()
    count = deliver_until_full(store, box)
    assert count > 150
    every = uids_of(store, box)
    assert remove(store.writes, box, every[: count // 2]) == count // 2
    assert reclaim_all(store) == count // 2
    for _ in range(count // 4):  # there is room again, also for mail
        assert isinstance(store.writes.apply([letter_to(box, body=LETTER)])[0], Accepted)
        store.upkeep.checkpoint()
    store.close()
    again = opened(disk)
    assert len(uids_of(again, box)) == count - count // 2 + count // 4
    again.close()


def test_new_mail_never_gets_the_reserve(disk: SmallDisk) -> None:
    store = opened(disk)
    (box,) = people(store, 1)
    assert store.upkeep.keep_reserve()
    deliver_until_full(store, box)
    assert store._reserve.is_full()
    store._reserve.release()
    (outcome,) = store.writes.apply([letter_to(box, body=LETTER)])
    assert isinstance(outcome, Failed)
    assert remove(store.writes, box, [1, 2, 3]) == 3
    store.close()


def test_removed_messages_go_before_their_time_until_the_disk_is_no_longer_short(
    disk: SmallDisk,
) -> None:
    store = opened(disk, rules=replace(RULES, min_free_octets=8 * MIB))
    boxes = people(store, 3)
    for box, count in zip(boxes, (210, 60, 10), strict=True):
        for start in range(0, count, 10):
            store.writes.apply([letter_to(box, body=LETTER) for _ in range(min(10, count - start))])
            store.upkeep.checkpoint()
    for box in boxes:
        remove(store.writes, box, uids_of(store, box))
    assert store.upkeep.keep_reserve()
    disk.fill(leave_octets=10 * MIB)
    assert store.upkeep.must_make_room()
    assert reclaim_all(store, now_s=NOW_S) == 200  # one slice, of who removed the most
    assert not store.upkeep.must_make_room()
    assert [len(store.mail.removed_uids(box, since_s=0.0)) for box in boxes] == [10, 60, 10]
    store.close()


def test_a_service_starts_on_a_full_disk_and_removes(disk: SmallDisk) -> None:
    store = opened(disk)
    (box,) = people(store, 1)
    store.writes.apply([letter_to(box, body=LETTER) for _ in range(20)])
    store.upkeep.checkpoint()
    assert store.upkeep.keep_reserve()
    store.close()
    disk.fill()
    again = opened(disk)
    lock = again.locks.lock_maildrop(box)
    assert lock is not None
    assert remove(again.writes, box, range(1, 21)) == 20
    lock.release()
    assert reclaim_all(again) == 20
    again.close()


def test_accounts_can_be_suspended_and_deleted_on_a_full_disk(disk: SmallDisk) -> None:
    store = opened(disk)
    (box,) = people(store, 1)
    store.writes.apply([letter_to(box, body=LETTER) for _ in range(20)])
    account = store.accounts.find_account("personne0")
    assert account is not None
    assert store.upkeep.keep_reserve()
    disk.fill()
    store.recovery.start_grace(account.account_id, version=1, until_s=NOW_S)
    store.accounts.set_state(account.account_id, AccountState.SUSPENDED)
    store.accounts.delete_account(account.account_id, now_s=NOW_S)
    assert reclaim_all(store) == 20
    store.close()


def test_mail_leaves_a_full_disk(disk: SmallDisk) -> None:
    store = opened(disk)
    for _ in range(20):
        store.writes.apply([replace(outgoing(), body=InlineBody(LETTER))])
    store.upkeep.checkpoint()
    assert store.upkeep.keep_reserve()
    disk.fill()
    agent = Agent(store)
    leased = agent.lease()
    assert len(leased) == 20
    assert store.queue.renew_agent(agent.agent_id, until_s=NOW_S + 900.0)
    agent.relay(leased)
    store.queue.resign_agent(agent.agent_id)
    assert store.upkeep.reclaim(now_s=NOW_S).message_count == 20  # the bodies
    store.close()


def test_what_was_removed_can_be_put_back_on_a_full_disk(disk: SmallDisk) -> None:
    store = opened(disk)
    (box,) = people(store, 1)
    store.writes.apply([letter_to(box, body=LETTER) for _ in range(20)])
    assert store.upkeep.keep_reserve()
    disk.fill()
    remove(store.writes, box, [3])
    assert store.mail.restore_removed(box, [Uid(3)], as_new=False) == [3]
    store.close()


def test_the_reserve_is_filled_again_when_there_is_room(disk: SmallDisk) -> None:
    store = opened(disk)
    assert store.upkeep.keep_reserve()
    assert store._reserve.release()
    owed_octets = store._reserve.wanted_octets
    assert store._reserve.owed_octets() == owed_octets
    disk.fill(leave_octets=owed_octets)
    assert not store.upkeep.keep_reserve()
    assert store.bodies.disk_room().free_octets == 0  # what is left is owed
    disk.empty()
    assert store.upkeep.keep_reserve()
    assert store._reserve.owed_octets() == 0
    store.close()
