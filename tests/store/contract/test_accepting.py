"""Accepting: one message, a copy per recipient, an entry per mailbox."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailserver.queue.copies import CopyState
from mailserver.store.ports.store import Store
from mailserver.values.ids import MailboxId, Uid
from mailserver.values.message import Body, BodyFacts
from tests.store.letters import (
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter,
    letter_to,
    new_accept_id,
    people,
    read,
    recipient_of,
    remove,
    uids_of,
)
from tests.store.places import Place, copies, count, recount


def test_one_message_to_many_is_stored_once(store: Store, place: Place) -> None:
    boxes = people(store, 50)
    (message_id,) = accept(store.writes, letter_to(*boxes))
    assert count(place, "message") == 1
    assert len(copies(place, message_id)) == 50
    assert [uids_of(store, box) for box in boxes] == [[1]] * 50


def test_each_recipient_has_a_copy_and_it_is_deposited(store: Store, place: Place) -> None:
    first, second = people(store, 2)
    (message_id,) = accept(store.writes, letter(("Un@ac-exemple.fr", first), ("deux@d", second)))
    deposited = CopyState.DEPOSITED.value
    assert copies(place, message_id) == [
        ("Un@ac-exemple.fr", deposited, first, 1),
        ("deux@d", deposited, second, 1),
    ]


def test_two_recipients_of_one_mailbox_are_two_copies_and_one_entry(
    store: Store, place: Place
) -> None:
    (box,) = people(store, 1)
    (message_id,) = accept(store.writes, letter(("un@d", box), ("alias@d", box)))
    assert [(r, uid) for r, _, _, uid in copies(place, message_id)] == [("un@d", 1), ("alias@d", 1)]
    assert uids_of(store, box) == [1]
    assert fetch(store, box, 1) == as_fetched("un@d")
    assert store.mail.open_maildrop(box).count == 1


def test_what_is_fetched_is_our_lines_and_the_octets_that_came(store: Store) -> None:
    first, second = people(store, 2)
    body = b"Subject: \xff\x00\r\n\r\n.\r\n" + bytes(range(256)) + b"\r\n"
    accept(store.writes, letter(("é@d", first), ("deux@d", second), body=body))
    assert fetch(store, first, 1) == as_fetched("é@d", body)
    assert fetch(store, second, 1) == as_fetched("deux@d", body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(bodies=st.lists(st.binary(max_size=2000), min_size=1, max_size=5), filed=st.booleans())
def test_whatever_the_octets_the_listed_size_is_what_fetch_gives(
    place: Place, bodies: list[bytes], filed: bool
) -> None:
    store = place.open()
    box = people_once(store)
    before = uids_of(store, box)
    accept(
        store.writes, *(letter_to(box, body=filed_body(store, b) if filed else b) for b in bodies)
    )
    listing = store.mail.list_maildrop(store.mail.open_maildrop(box))
    new = list(zip(listing.uids, listing.sizes_octets, strict=True))[len(before) :]
    fetched = [fetch(store, box, uid) for uid, _ in new]
    assert fetched == [as_fetched(recipient_of(box), b) for b in bodies]
    assert [size for _, size in new] == [len(octets or b"") for octets in fetched]
    assert (len(listing), sum(listing.sizes_octets)) == recount(place, box)


def people_once(store: Store) -> MailboxId:
    found = store.accounts.find_account("personne0")
    return found.inbox_id if found is not None else people(store, 1)[0]


def filed_body(store: Store, octets: bytes) -> Body:
    spool = store.bodies.open_spool()
    spool.write(octets)
    return spool.commit()


def test_stored_message_tells_its_size_and_what_the_receive_path_noticed(store: Store) -> None:
    (box,) = people(store, 1)
    facts = BodyFacts(
        header_octets=5,
        ends_with_crlf=False,
        is_8bit=True,
        has_nul=True,
        longest_line_octets=9,
        dotted_line_count=3,
    )
    accept(store.writes, letter(("un@d", box), body=b"..\r\n.x\r\n.\r\nno end", facts=facts))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    assert message.dotted_line_count == 3
    assert not message.ends_with_crlf
    size = message.size_octets
    assert size == len(read(message) or b"")


def test_uids_ascend_and_are_never_used_again(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box), letter_to(box), letter_to(box))
    assert uids_of(store, box) == [1, 2, 3]
    assert remove(store.writes, box, [2, 3]) == 2
    store.upkeep.reclaim(now_s=NOW_S + 1)
    store.upkeep.expire_history(now_s=NOW_S + 1)
    accept(store.writes, letter_to(box))
    assert uids_of(store, box) == [1, 4]


def test_uids_go_on_after_the_store_was_closed(place: Place) -> None:
    store = place.open()
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    remove(store.writes, box, [1])
    store.upkeep.reclaim(now_s=NOW_S + 1)
    place.close()
    accept(place.open().writes, letter_to(box))
    assert uids_of(place.open(), box) == [2]


def test_one_batch_may_put_several_messages_into_one_mailbox(store: Store, place: Place) -> None:
    first, second = people(store, 2)
    batch = [letter_to(first), letter_to(second, first), letter_to(second), letter_to(first)]
    ids = accept(store.writes, *batch)
    assert ids == sorted(set(ids))
    assert [copies(place, i)[0][3] for i in ids] == [1, 1, 2, 3]
    assert uids_of(store, first) == [1, 2, 3]
    assert uids_of(store, second) == [1, 2]


@pytest.mark.parametrize("recipients", [1, 2, 3, 127, 128, 129, 1000])
def test_any_number_of_recipients_fits(store: Store, place: Place, recipients: int) -> None:
    boxes = people(store, min(recipients, 130))
    names = [(f"r{n}@d", boxes[n % len(boxes)]) for n in range(recipients)]
    (message_id,) = accept(store.writes, letter(*names))
    assert [r for r, *_ in copies(place, message_id)] == [name for name, _ in names]
    assert count(place, "entry") == len(boxes)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 100])
def test_any_number_of_messages_fits_in_a_batch(store: Store, place: Place, size: int) -> None:
    (box,) = people(store, 1)
    accept(store.writes, *(letter_to(box, body=b"%d" % n) for n in range(size)))
    assert [fetch(store, box, n + 1) for n in range(size)] == [
        as_fetched(recipient_of(box), b"%d" % n) for n in range(size)
    ]
    assert recount(place, box)[0] == size


def test_an_accept_is_found_by_its_id_from_anywhere(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    wanted, unknown = new_accept_id(), new_accept_id()
    (message_id,) = accept(store.writes, letter(("un@d", box), accept_id=wanted))
    accept(store.writes, *(letter_to(box) for _ in range(20)))
    assert place.open().writes.find_accepted(wanted) == message_id
    assert store.writes.find_accepted(unknown) is None


def test_counts_and_octets_are_always_those_of_a_recount(store: Store, place: Place) -> None:
    boxes = people(store, 3)
    accept(store.writes, letter_to(*boxes), letter_to(boxes[0], body=b""), letter_to(boxes[2]))
    remove(store.writes, boxes[0], [1])
    store.writes.apply([letter_to(*boxes), letter_to(MailboxId(999_999))])
    for box in boxes:
        maildrop = store.mail.open_maildrop(box)
        assert (maildrop.count, maildrop.octets) == recount(place, box)
