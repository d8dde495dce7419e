"""Maildrops: what one session sees is fixed when it opens."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.store import Store
from mailserver.values.ids import MailboxId
from tests.store.child import OtherProcess
from tests.store.letters import (
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter_to,
    people,
    recipient_of,
    remove,
    uids_of,
)
from tests.store.places import Place

Start = Callable[[], OtherProcess]


def test_an_empty_maildrop_has_nothing(store: Store) -> None:
    (box,) = people(store, 1)
    maildrop = store.mail.open_maildrop(box)
    assert (maildrop.count, maildrop.octets) == (0, 0)
    assert len(store.mail.list_maildrop(maildrop)) == 0
    assert fetch(store, box, 1) is None


def test_a_mailbox_that_nobody_has_is_unavailable(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        store.mail.open_maildrop(MailboxId(999_999))


def test_a_maildrop_counts_what_it_lists(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box), letter_to(box, body=b"longer" * 100), letter_to(box))
    remove(store.writes, box, [1])
    maildrop = store.mail.open_maildrop(box)
    listing = store.mail.list_maildrop(maildrop)
    assert (maildrop.count, maildrop.octets) == (len(listing), sum(listing.sizes_octets))


def test_mailboxes_have_epochs_of_their_own(store: Store) -> None:
    boxes = people(store, 20)
    assert len({store.mail.open_maildrop(box).epoch for box in boxes}) == 20


def test_the_listing_stays_when_other_doors_add_and_remove(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    accept(store.writes, *(letter_to(box) for _ in range(4)))
    remove(store.writes, box, [1])
    maildrop = store.mail.open_maildrop(box)
    before = list(store.mail.list_maildrop(maildrop).uids)
    other = place.open()
    accept(other.writes, letter_to(box))
    assert remove(other.writes, box, [2, 5]) == 2
    assert remove(store.writes, box, [3]) == 1
    assert before == list(store.mail.list_maildrop(maildrop).uids) == [2, 3, 4]
    assert fetch(store, box, 2) == as_fetched(recipient_of(box))
    assert uids_of(store, box) == [4]


def test_the_listing_stays_when_threads_add_and_remove(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, *(letter_to(box) for _ in range(30)))
    maildrop = store.mail.open_maildrop(box)

    def disturb(first: int) -> None:
        for uid in range(first, first + 10):
            accept(store.writes, letter_to(box))
            remove(store.writes, box, [uid])

    threads = [threading.Thread(target=disturb, args=(first,)) for first in (1, 11, 21)]
    for thread in threads:
        thread.start()
    listings = [list(store.mail.list_maildrop(maildrop).uids) for _ in range(50)]
    for thread in threads:
        thread.join(60)
    assert listings == [list(range(1, 31))] * 50
    assert list(store.mail.list_maildrop(maildrop).uids) == list(range(1, 31))
    assert uids_of(store, box) == list(range(31, 61))


def test_the_listing_stays_when_another_process_adds_removes_and_reclaims(
    store: Store, other_process: Start
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, *(letter_to(box) for _ in range(3)))
    lock = store.locks.lock_maildrop(box)
    assert lock is not None
    maildrop = store.mail.open_maildrop(box)
    other = other_process()
    assert other.ask("remove", mailbox_id=box, uids=[1, 3]) == 2
    assert other.ask("accept", mailbox_ids=[box]) == 1
    assert other.ask("reclaim", now_s=NOW_S + 10) == 0  # a session lists them
    assert list(store.mail.list_maildrop(maildrop).uids) == [1, 2, 3]
    assert fetch(store, box, 1) == as_fetched(recipient_of(box))
    lock.release()
    assert other.ask("reclaim", now_s=NOW_S + 10) == 2
    assert fetch(store, box, 1) is None
    assert uids_of(store, box) == [2, 4]


def test_a_writer_that_is_killed_leaves_the_turn_to_others(
    store: Store, place: Place, other_process: Start
) -> None:
    (box,) = people(store, 1)
    child = other_process()
    child.tell("accept", mailbox_ids=[box], count=100_000)
    accept(store.writes, letter_to(box))
    child.kill()
    accept(store.writes, letter_to(box))
    uids = uids_of(store, box)
    assert uids == list(range(1, len(uids) + 1))
    assert store.mail.open_maildrop(box).count == len(uids)
