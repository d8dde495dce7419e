"""Batches: one commit for all, and one bad write fails alone."""

from __future__ import annotations

import threading

from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted, Failed, Outcome, Removed, Write
from mailserver.store.sql.mail.removed import SLICE as REMOVAL_SLICE
from mailserver.values.ids import MailboxId
from mailserver.values.message import FiledBody
from tests.store.letters import (
    accept,
    letter,
    letter_to,
    people,
    removal,
    remove,
    uids_of,
)
from tests.store.places import Place, count, recount

GONE = MailboxId(999_999)


def test_outcomes_stand_in_the_order_of_the_batch(store: Store) -> None:
    first, second = people(store, 2)
    accept(store.writes, letter_to(first, second))
    outcomes = store.writes.apply([removal(first, [1]), letter_to(first), removal(second, [1, 7])])
    assert isinstance(outcomes[0], Removed)
    assert isinstance(outcomes[1], Accepted)
    assert outcomes[2] == Removed(1)
    assert uids_of(store, first) == [2]
    assert uids_of(store, second) == []


def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert store.writes.apply([]) == []
    assert store.writes.apply_waiting(list) == []


def test_a_mailbox_that_went_after_rcpt_fails_its_message_alone(store: Store, place: Place) -> None:
    first, second = people(store, 2)
    batch = [letter_to(first), letter_to(second, GONE), letter_to(second)]
    outcomes = store.writes.apply(batch)
    assert [type(outcome) for outcome in outcomes] == [Accepted, Failed, Accepted]
    assert uids_of(store, first) == [1]
    assert uids_of(store, second) == [1]  # nothing of the one that failed, not even a UID
    assert count(place, "message") == 2
    assert count(place, "copy") == 2


def test_a_write_that_cannot_be_stored_fails_alone(store: Store) -> None:
    (box,) = people(store, 1)
    half_a_character = letter(("jos\udce9@ac-exemple.fr", box))
    outcomes = store.writes.apply(
        [letter_to(box), half_a_character, removal(box, [1]), letter_to(box)]
    )
    assert [type(outcome) for outcome in outcomes] == [Accepted, Failed, Removed, Accepted]
    assert uids_of(store, box) == [2]


def test_a_body_that_another_message_has_fails_alone(store: Store) -> None:
    (box,) = people(store, 1)
    spool = store.bodies.open_spool()
    spool.write(b"once")
    body = spool.commit()
    outcomes = store.writes.apply(
        [letter_to(box, body=body), letter_to(box, body=body), letter_to(box)]
    )
    assert [type(outcome) for outcome in outcomes] == [Accepted, Failed, Accepted]
    assert isinstance(body, FiledBody)


def test_a_single_bad_write_fails_and_the_store_goes_on(store: Store) -> None:
    (box,) = people(store, 1)
    (outcome,) = store.writes.apply([letter_to(GONE)])
    assert isinstance(outcome, Failed)
    accept(store.writes, letter_to(box))


def test_removing_what_is_gone_counts_nothing(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box), letter_to(box))
    assert remove(store.writes, box, [1, 1, 5, 2**62]) == 1
    assert remove(store.writes, box, [1]) == 0
    assert remove(store.writes, box, []) == 0
    assert remove(store.writes, GONE, [1]) == 0
    assert uids_of(store, box) == [2]
    maildrop = store.mail.open_maildrop(box)
    assert (maildrop.count, maildrop.octets) == recount(place, box)


def test_a_long_removal_goes_in_slices_beside_short_writes(store: Store, place: Place) -> None:
    long_box, short_box = people(store, 2)
    total = REMOVAL_SLICE + 500
    for _ in range(total // 500):
        accept(store.writes, *(letter_to(long_box, body=b"") for _ in range(500)))
    accept(store.writes, letter_to(short_box))
    wanted = range(1, total + 1)
    outcomes = store.writes.apply(
        [letter_to(short_box), removal(long_box, wanted), removal(short_box, [1]), letter_to(GONE)]
    )
    assert outcomes[1:3] == [Removed(total), Removed(1)]
    assert isinstance(outcomes[0], Accepted)
    assert isinstance(outcomes[3], Failed)
    assert uids_of(store, long_box) == []
    assert recount(place, long_box) == (0, 0)
    assert uids_of(store, short_box) == [2]


def test_what_arrives_while_another_commits_joins_the_batch(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    other = place.open()
    turn_is_taken, may_go_on, take_was_asked = (threading.Event() for _ in range(3))
    inbox: list[Write] = [letter_to(box)]
    outcomes: list[Outcome] = []

    def hold() -> list[Write]:
        turn_is_taken.set()
        assert may_go_on.wait(30)
        return []

    def take() -> list[Write]:
        take_was_asked.set()
        return inbox

    holder = threading.Thread(target=lambda: other.writes.apply_waiting(hold))
    waiter = threading.Thread(target=lambda: outcomes.extend(store.writes.apply_waiting(take)))
    holder.start()
    assert turn_is_taken.wait(30)
    waiter.start()
    assert not take_was_asked.is_set()
    inbox.append(letter_to(box))  # after `apply_waiting` began, before its turn
    may_go_on.set()
    holder.join(30)
    waiter.join(30)
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]
    assert uids_of(store, box) == [1, 2]


def test_many_writers_never_share_a_uid(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    stores = [place.open() for _ in range(3)] + [store]
    threads = [
        threading.Thread(target=lambda s=s: [accept(s.writes, letter_to(box)) for _ in range(15)])
        for s in stores
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert uids_of(store, box) == list(range(1, 121))
    assert store.mail.open_maildrop(box).count == recount(place, box)[0] == 120
