"""Finding journeys: by address, Message-ID or id, indexed or not, as long as the history lasts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.store.ports import history as journeys
from mailserver.store.ports.history import Collection
from mailserver.store.ports.store import Store
from mailserver.store.sql.history import tracing
from mailserver.values.ids import AcceptId, MailboxId, Uid
from mailserver.values.message import Acceptance, FiledBody
from tests.store.letters import FACTS, NOW_S, accept, letter, new_accept_id, people, remove
from tests.store.places import Place, count

DAY_S = 86_400.0


def named(
    header_id: str, *recipients: tuple[str, MailboxId], sender: str = "jean.petit@ac-exemple.fr"
) -> Acceptance:
    block = f"Subject: essai\r\nMessage-ID: <{header_id}>\r\n\r\n".encode()
    facts = replace(FACTS, header_octets=len(block))
    return replace(
        letter(*recipients, body=block + b"Bonjour.\r\n", facts=facts), reverse_path=sender
    )


def index_all(store: Store) -> int:
    indexed = 0
    while step := store.upkeep.index_journeys():
        indexed += step
    return indexed


def ids_of(found: journeys.Sightings) -> list[AcceptId]:
    return [one.accept_id for one in found.journeys]


@pytest.fixture(params=["indexed", "not indexed"])
def is_indexed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "indexed")


def test_a_message_is_found_by_sender_recipient_and_message_id(
    store: Store, is_indexed: bool
) -> None:
    first, second = people(store, 2)
    one = named("1@a", ("un@d", first), ("deux@d", second), sender="Élodie@école.fr")
    other = named("2@a", ("deux@d", second), sender="x@y")
    accept(store.writes, one, other)
    if is_indexed:
        assert index_all(store) == 2
    assert ids_of(store.history.journeys_of("elodie@xn--cole-9oa.FR", limit=10)) == [one.accept_id]
    assert ids_of(store.history.journeys_of("UN@d", limit=10)) == [one.accept_id]
    assert ids_of(store.history.journeys_of("deux@d", limit=10)) == [other.accept_id, one.accept_id]
    assert ids_of(store.history.journeys_of("nobody@d", limit=10)) == []
    assert ids_of(store.history.journeys_named("<2@a>", limit=10)) == [other.accept_id]
    (journey,) = store.history.journeys_named("1@a", limit=10).journeys
    assert journey.header_id == "1@a"


def test_the_newest_come_first_and_the_limit_holds_over_both_parts(store: Store) -> None:
    (box,) = people(store, 1)
    sent = [named(f"{n}@a", ("un@d", box)) for n in range(10)]
    accept(store.writes, *sent[:6])
    index_all(store)
    accept(store.writes, *sent[6:])
    newest_first = [one.accept_id for one in reversed(sent)]
    assert ids_of(store.history.journeys_of("un@d", limit=20)) == newest_first
    assert ids_of(store.history.journeys_of("un@d", limit=7)) == newest_first[:7]
    assert ids_of(store.history.journeys_of("un@d", limit=2)) == newest_first[:2]


def test_a_message_id_added_by_us_is_found_too(store: Store) -> None:
    (box,) = people(store, 1)
    sent = replace(letter(("un@d", box)), head=b"Received: x\r\nMessage-ID: <ours@d>\r\n")
    accept(store.writes, sent)
    index_all(store)
    assert ids_of(store.history.journeys_named("ours@d", limit=1)) == [sent.accept_id]


def test_the_header_of_a_large_body_is_read_from_its_file(store: Store) -> None:
    (box,) = people(store, 1)
    spool = store.bodies.open_spool()
    block = b"Message-ID: <large@a>\r\n\r\n"
    spool.write(block + b"x" * 1000)
    body = spool.commit()
    sent = letter(("un@d", box), body=body, facts=replace(FACTS, header_octets=len(block)))
    gone = letter(("un@d", box), body=FiledBody("a" * 32, 10))
    accept(store.writes, sent, gone)
    assert index_all(store) == 2
    assert ids_of(store.history.journeys_named("large@a", limit=1)) == [sent.accept_id]


def test_any_message_of_the_history_is_found_by_its_id(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box,) = people(store, 1)
    sent = [named(f"{n}@a", ("un@d", box)) for n in range(5)]
    accept(store.writes, *sent)
    index_all(store)
    monkeypatch.setattr(tracing, "UNINDEXED_LIMIT", 1)
    found = store.history.journey(sent[0].accept_id)
    assert found is not None
    assert found.accept_id == sent[0].accept_id
    assert store.history.journey(new_accept_id()) is None


def test_a_search_says_how_many_messages_it_did_not_look_at(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box,) = people(store, 1)
    sent = [named(f"{n}@a", ("un@d", box)) for n in range(5)]
    accept(store.writes, *sent)
    monkeypatch.setattr(tracing, "UNINDEXED_LIMIT", 2)
    found = store.history.journeys_of("un@d", limit=10)
    assert (ids_of(found), found.unsearched_count) == (
        [sent[4].accept_id, sent[3].accept_id],
        3,
    )
    index_all(store)
    found = store.history.journeys_of("un@d", limit=10)
    assert (len(found.journeys), found.unsearched_count) == (5, 0)


def test_a_message_with_more_recipients_than_a_slice_is_indexed_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "COPIES_SLICE", 3)
    (box,) = people(store, 1)
    many = named("many@a", *((f"r{n}@d", box) for n in range(8)))
    one, other = named("1@a", ("r7@d", box)), named("2@a", ("r0@d", box))
    accept(store.writes, one, many, other)
    assert index_all(store) == 3
    assert ids_of(store.history.journeys_of("r7@d", limit=9)) == [many.accept_id, one.accept_id]
    assert ids_of(store.history.journeys_of("r0@d", limit=9)) == [other.accept_id, many.accept_id]


def test_what_the_history_forgets_leaves_the_index_too(place: Place) -> None:
    store = place.open(keep_history_s=10 * DAY_S)
    (box,) = people(store, 1)
    old = named("old@a", ("un@d", box))
    accept(store.writes, old)
    index_all(store)
    assert store.upkeep.index_journeys() == 0
    remove(store.writes, box, [1], at_s=NOW_S)
    while store.upkeep.expire_history(now_s=NOW_S + 11 * DAY_S):
        continue
    assert count(place, "copy") == 0
    assert store.upkeep.index_journeys() > 0  # forgets
    assert store.upkeep.index_journeys() == 0
    assert store.history.journey(old.accept_id) is None
    assert ids_of(store.history.journeys_of("un@d", limit=1)) == []


def test_a_message_that_lies_in_a_mailbox_without_history_has_no_journey(place: Place) -> None:
    store = place.open(keep_history_s=10 * DAY_S)
    (box,) = people(store, 1)
    old = named("old@a", ("un@d", box))
    accept(store.writes, old)
    index_all(store)
    while store.upkeep.expire_history(now_s=NOW_S + 11 * DAY_S):
        continue
    assert count(place, "message") == 1
    assert store.history.journey(old.accept_id) is None


def test_an_index_of_another_history_starts_over(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    sent = [named(f"{n}@a", ("un@d", box)) for n in range(3)]
    accept(store.writes, *sent)
    index_all(store)
    other = new_accept_id()
    place.write("UPDATE message SET accept_id = ? WHERE message_id = 3", (other,))
    assert index_all(store) == 3
    found = store.history.journey(other)
    assert found is not None
    place.write("DELETE FROM message WHERE message_id > 1")
    place.write("UPDATE counter SET value = 1")
    assert index_all(store) == 1


def test_a_search_does_not_believe_an_index_of_another_history(store: Store, place: Place) -> None:
    """The store was put back, its index was not, and the keeper has not looked yet."""
    (box,) = people(store, 1)
    accept(store.writes, named("kept@a", ("un@d", box)))
    accept(store.writes, *(named(f"lost{n}@a", ("lost@d", box)) for n in range(3)))
    index_all(store)
    for table in ("message", "copy", "entry"):
        place.write(f"DELETE FROM {table} WHERE message_id > 1")
    place.write("UPDATE counter SET value = 1")
    accept(store.writes, named("new@a", ("new@d", box)))
    assert ids_of(store.history.journeys_of("lost@d", limit=9)) == []
    assert len(store.history.journeys_of("new@d", limit=9).journeys) == 1


def test_what_was_collected_before_the_deposit_was_another_message(store: Store) -> None:
    """Its UID was given before the store was put back; the notes of collecting outlived that."""
    (box,) = people(store, 1)
    earlier = Collection(at_s=NOW_S - 60, door="pop3s", peer="192.0.2.7")
    later = Collection(at_s=NOW_S + 60, door="pop3s", peer="192.0.2.7")
    for collection in (earlier, later):
        store.history.note_collected(box, [Uid(1)], collection)
    sent = letter(("un@d", box))
    accept(store.writes, sent)
    journey = store.history.journey(sent.accept_id)
    assert journey is not None
    assert journey.copies[0].collections == (later,)


def test_the_journey_of_a_deposit_ends_with_who_collected_it(store: Store) -> None:
    (box,) = people(store, 1)
    sent = letter(("un@d", box))
    accept(store.writes, sent, letter(("un@d", box)), letter(("un@d", box)))
    first = Collection(at_s=NOW_S + 60, door="pop3s", peer="192.0.2.7")
    again = Collection(at_s=NOW_S + 90, door="pop3", peer="192.0.2.8")
    store.history.note_collected(box, [Uid(1), Uid(2)], first)
    store.history.note_collected(box, [Uid(3), Uid(1)], again)
    assert store.history.collected(box, Uid(2)) == (first,)
    assert store.history.collected(box, Uid(3)) == (again,)
    journey = store.history.journey(sent.accept_id)
    assert journey is not None
    assert journey.copies[0].collections == (first, again)


def test_notes_of_what_was_collected_end_with_the_history(place: Place) -> None:
    store = place.open(keep_history_s=10 * DAY_S)
    at = Collection(at_s=NOW_S, door="pop3s", peer="192.0.2.7")
    store.history.note_collected(MailboxId(1), range(1, 4000, 2), at)
    store.upkeep.expire_history(now_s=NOW_S + 9 * DAY_S)
    assert store.history.collected(MailboxId(1), Uid(3999)) == (at,)
    assert store.history.collected(MailboxId(1), Uid(2)) == ()
    store.upkeep.expire_history(now_s=NOW_S + 11 * DAY_S)
    assert store.history.collected(MailboxId(1), Uid(1)) == ()
