"""What was removed is listed and can be put back, until it is reclaimed."""

from __future__ import annotations

import pytest

from mailserver.store.ports.mail import RemovedBy, RemovedRoom
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Removal
from mailserver.values.ids import MailboxId, Uid
from tests.store.letters import (
    BODY,
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter_to,
    people,
    recipient_of,
    remove,
    uids_of,
    unique_ids_of,
)
from tests.store.places import Place, recount, recount_removed, removed_totals

DAY_S = 86_400.0


def listed(store: Store, box: MailboxId, *, since_s: float = 0.0, limit: int = 99) -> list[int]:
    return [one.item.uid for one in store.mail.list_removed(box, since_s=since_s, limit=limit)]


def filled(store: Store, count: int = 4) -> MailboxId:
    """A mailbox with so many messages."""
    (box,) = people(store, 1)
    accept(store.writes, *(letter_to(box) for _ in range(count)))
    return box


def test_what_was_removed_is_listed_with_who_and_when(store: Store) -> None:
    box = filled(store)
    remove(store.writes, box, [2], at_s=NOW_S)
    by = RemovedBy("pop3s", "2001:db8::7", "pnoir")
    store.writes.apply(
        [Removal(mailbox_id=box, uids=(Uid(1), Uid(4)), removed_at_s=NOW_S + 60, by=by)]
    )
    found = store.mail.list_removed(box, since_s=0.0, limit=9)
    assert [(one.item.uid, one.removed_at_s) for one in found] == [
        (4, NOW_S + 60),
        (1, NOW_S + 60),
        (2, NOW_S),
    ]
    assert [one.by for one in found] == [by, by, None]
    assert found[0].item.header == b"Subject: essai\r\n\r\n"
    assert found[0].item.size_octets == len(as_fetched(recipient_of(box)))
    assert listed(store, box, since_s=NOW_S + 1) == [4, 1]
    assert listed(store, box, limit=1) == [4]
    assert store.mail.removed_uids(box, since_s=0.0) == [1, 2, 4]
    assert store.mail.removed_uids(box, since_s=NOW_S + 1) == [1, 4]


@pytest.mark.parametrize("as_new", [False, True])
def test_what_is_put_back_shows_again_as_it_was(store: Store, place: Place, as_new: bool) -> None:
    box = filled(store)
    before, octets = unique_ids_of(store, box), recount(place, box)
    remove(store.writes, box, [1, 3])
    back = store.mail.restore_removed(box, [Uid(3), Uid(1), Uid(4), Uid(77)], as_new=as_new)
    assert sorted(back) == [1, 3]
    assert uids_of(store, box) == [1, 2, 3, 4]
    assert recount(place, box) == octets
    assert fetch(store, box, 3) == as_fetched(recipient_of(box))
    after = unique_ids_of(store, box)
    assert (after[1], after[3]) == (before[1], before[3])
    assert (after[0] == before[0], after[2] == before[2]) == (not as_new, not as_new)
    assert len(set(before) | set(after)) == (6 if as_new else 4)
    assert listed(store, box) == []
    assert removed_totals(place, box) == (0, 0)


def test_it_may_be_removed_and_put_back_again_and_again(store: Store, place: Place) -> None:
    box = filled(store, 2)
    for number in range(1, 4):
        assert remove(store.writes, box, [1, 2], at_s=NOW_S + number) == 2
        assert uids_of(store, box) == []
        assert len(store.mail.restore_removed(box, [Uid(1)], as_new=False)) == 1
        assert uids_of(store, box) == [1]
        assert len(store.mail.restore_removed(box, [Uid(2)], as_new=False)) == 1
    assert removed_totals(place, box) == (0, 0)


def test_a_session_that_begins_afterwards_sees_it_and_its_numbers_hold(store: Store) -> None:
    box = filled(store)
    remove(store.writes, box, [1, 2])
    store.mail.restore_removed(box, [Uid(1)], as_new=False)
    maildrop = store.mail.open_maildrop(box)
    remove(store.writes, box, [1])
    assert list(store.mail.list_maildrop(maildrop).uids) == [1, 3, 4]


def test_what_was_put_back_while_the_reclaimer_looked_stays(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads what is hidden first, and deletes it in a turn of its own."""
    box = filled(store, 3)
    remove(store.writes, box, [1, 2])
    other = place.open()
    lock_maildrop = other.locks.lock_maildrop

    def put_back_meanwhile(mailbox_id: MailboxId) -> object:
        store.mail.restore_removed(box, [Uid(1)], as_new=False)
        return lock_maildrop(mailbox_id)

    monkeypatch.setattr(other._reclaimer, "_lock_maildrop", put_back_meanwhile)  # type: ignore[attr-defined]
    assert other.upkeep.reclaim(now_s=NOW_S + DAY_S).entry_count == 1
    assert fetch(store, box, 1) == as_fetched(recipient_of(box))
    assert uids_of(store, box) == [1, 3]
    assert removed_totals(place, box) == recount_removed(place, box) == (0, 0)


def test_what_was_reclaimed_is_not_to_be_had(store: Store, place: Place) -> None:
    box = filled(store)
    remove(store.writes, box, [1, 2])
    while store.upkeep.reclaim(now_s=NOW_S + DAY_S).entry_count:
        continue
    assert listed(store, box) == []
    assert store.mail.restore_removed(box, [Uid(1)], as_new=False) == []
    assert removed_totals(place, box) == (0, 0)


def test_a_message_to_many_counts_once_among_what_is_removed(store: Store, place: Place) -> None:
    boxes = people(store, 10)
    accept(store.writes, letter_to(*boxes, body=BODY * 1000))
    for box in boxes:
        remove(store.writes, box, [1])
    room = store.mail.removed_room()
    stored_octets = len(BODY) * 1000
    assert room.count == 10
    assert stored_octets <= room.octets < stored_octets * 1.1
    for box in boxes:
        store.mail.restore_removed(box, [Uid(1)], as_new=False)
    assert store.mail.removed_room() == RemovedRoom(0, 0)


def test_a_mailbox_that_goes_with_its_account_leaves_no_totals(store: Store) -> None:
    box = filled(store)
    remove(store.writes, box, [1, 2])
    account = store.accounts.find_account("personne0")
    assert account is not None
    store.accounts.delete_account(account.account_id, now_s=NOW_S)
    while store.upkeep.reclaim(now_s=NOW_S).entry_count:
        continue
    store.upkeep.reclaim(now_s=NOW_S)
    assert store.mail.removed_room() == RemovedRoom(0, 0)


def test_very_many_are_put_back_in_slices(store: Store, place: Place) -> None:
    box = filled(store, 0)
    for _ in range(5):
        accept(store.writes, *(letter_to(box) for _ in range(900)))
    every = uids_of(store, box)
    remove(store.writes, box, every)
    assert store.mail.restore_removed(box, [Uid(u) for u in every], as_new=False) == every
    assert uids_of(store, box) == every
    assert recount(place, box)[0] == 4500
