"""The same message for a list again within an hour: answered, noted, and no second post."""

from __future__ import annotations

import pytest

from mailserver.lists.sameness import Sameness
from mailserver.lists.verdict import deed_of
from mailserver.queue.copies import CopyState
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.lists import BeginPost, Posting
from mailserver.store.ports.operators import Act, Deed
from mailserver.store.ports.writes import Write
from mailserver.values.ids import AccountId
from tests.smtp_relay.delivery.lists.list_house import DOMAIN, LIST, POST, ListHouse, OpenHouse

NAMED = b"Message-ID: <one@poste>\r\n" + POST


class Room:
    """A list with one reader, and who may write to it."""

    def __init__(self, house: ListHouse) -> None:
        self.house = house
        house.member("anne.durand")
        self.author = house.member("jean.petit")

    def post(self, body: bytes = NAMED, *, to: str = LIST) -> str:
        """What became of it, in words."""
        sent = self.house.send(body, to=to, account_id=self.author)
        self.house.expand()
        state, words = self.house.state_of(sent)
        assert state is CopyState.EXPANDED
        return words

    @property
    def read_count(self) -> int:
        return len(self.house.read("anne.durand"))


def decide(house: ListHouse, verdict: str) -> None:
    (hold,) = house.store.lists.waiting_posts(house.which.list_id)
    deed = deed_of(verdict, by="cli:test", at_s=house.now_s)
    assert house.store.lists.decide_hold(hold.ref, verdict, deed)


@pytest.fixture
def room(open_house: OpenHouse) -> Room:
    return Room(open_house())


def test_the_same_message_is_one_post_within_an_hour_and_another_one_later(room: Room) -> None:
    assert "handed to" in room.post()
    for number in range(5):
        words = room.post(to=f"animateurs+{number}@{DOMAIN}")
        assert "to nobody again: the list had the same message within an hour" in words
    assert room.read_count == 1
    room.house.now_s += 3601
    assert "handed to" in room.post()
    assert room.read_count == 2


@pytest.mark.parametrize(
    "other",
    [
        NAMED.replace(b"<one@", b"<two@"),
        NAMED + b"Une ligne de plus.\r\n",
        POST,
    ],
    ids=["another Message-ID", "another text", "no Message-ID"],
)
def test_different_messages_are_different_posts(room: Room, other: bytes) -> None:
    room.post()
    assert "handed to" in room.post(other)
    assert room.read_count == 2


def test_what_has_no_name_is_the_same_only_where_all_of_it_is(room: Room) -> None:
    room.post(POST)
    assert "again" in room.post(POST)
    assert "handed to" in room.post(b"Subject: autre\r\n" + POST)


def test_fields_that_others_change_on_the_way_make_no_other_message(room: Room) -> None:
    room.post()
    assert "again" in room.post(
        b"Received: from x by y; Mon, 1 Jan 2029 00:00:00 +0000\r\n" + NAMED
    )


def test_two_lists_get_the_same_message_each(room: Room) -> None:
    inner = room.house.nest("profs", posting=Posting.INSIDE)
    room.house.store.lists.add_member(inner.list_id, address="zoe@example.org")
    room.post()
    room.house.expand()
    assert "zoe@example.org" in [recipient for recipient, _ in room.house.queued()]


def test_who_was_refused_and_then_let_in_posts_what_was_refused(open_house: OpenHouse) -> None:
    house = open_house()
    house.member("anne.durand")
    author = house.person("jean.petit")
    house.send(NAMED, account_id=author)
    house.expand()
    house.store.lists.add_member(house.which.list_id, account_id=author)
    house.send(NAMED, account_id=author)
    house.expand()
    assert len(house.read("anne.durand")) == 1


def test_what_waits_for_a_moderator_waits_once_and_is_posted(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    house.member("anne.durand")
    author = house.member("jean.petit")
    for _ in range(3):
        house.send(NAMED, account_id=author)
        house.expand()
    assert len(house.held()) == 1
    assert len(house.read("chef")) == 1
    decide(house, "approved")
    house.expand()
    assert len(house.read("anne.durand")) == 1


def test_what_a_moderator_refused_may_be_asked_again(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    author = house.member("jean.petit")
    house.send(NAMED, account_id=author)
    house.expand()
    decide(house, "rejected")
    house.expand()
    house.send(NAMED, account_id=author)
    house.expand()
    assert len(house.held()) == 1


@pytest.mark.parametrize("act", [Act.CANCEL, Act.RETURN])
@pytest.mark.parametrize("is_approved", [False, True])
def test_what_an_operator_took_from_the_queue_may_be_posted_again(
    open_house: OpenHouse, act: Act, *, is_approved: bool
) -> None:
    house = open_house(posting=Posting.MODERATED)
    author = house.member("jean.petit")
    first = house.ref(house.send(NAMED, account_id=author))
    house.expand()
    if is_approved:
        decide(house, "approved")
    deed = Deed(act=act, by="cli:test", reason="", at_s=house.now_s)
    assert house.store.queue.act_on([first], deed) == [first]
    assert house.store.lists.waiting_posts(house.which.list_id) == []
    assert not house.store.lists.decide_hold(first, "approved", deed)
    house.send(NAMED, account_id=author)
    house.expand()
    assert len(house.held()) == 1


def test_a_strangers_copy_that_waits_stops_no_members_post(open_house: OpenHouse) -> None:
    house = open_house()
    house.outside("zoe@example.org")
    author: AccountId = house.member("jean.petit")
    house.member("anne.durand")
    house.send(NAMED, reverse_path="forger@example.net")
    house.expand()
    assert len(house.held()) == 1
    house.send(NAMED, account_id=author)
    house.expand()
    assert len(house.read("anne.durand")) == 1


@pytest.mark.parametrize("is_written", [True, False])
def test_a_post_that_was_begun_before_a_crash_is_no_repeat_of_itself(
    room: Room, *, is_written: bool
) -> None:
    house = room.house
    failed: list[Write] = []

    def fail_once(write: Write) -> None:
        if isinstance(write, BeginPost) and not failed:
            failed.append(write)
            if is_written:
                house.store.writes.apply([write])
            raise StoreUnavailable("killed here")

    house.before_write(fail_once)
    house.send(NAMED, account_id=room.author)
    house.expand()
    assert (len(failed), room.read_count) == (1, 0)
    house.now_s += 600
    house.expand()
    assert room.read_count == 1


def test_owners_hear_the_same_once(room: Room) -> None:
    for _ in range(4):
        room.post(to=f"animateurs-owner@{DOMAIN}")
    assert len(room.house.read("chef")) == 1
    assert "handed to" in room.post()


def test_pieces_do_not_matter_and_targets_do() -> None:
    whole = Sameness(b"Message-ID: <a@b>\r\n\r\n")
    parts = Sameness(b"X: y\r\nmessage-id:\r\n <a@b>\r\n\r\n")
    whole.feed(b"hello")
    for octet in b"hello":
        parts.feed(bytes([octet]))
    assert whole.key_for("list:1") == parts.key_for("list:1")
    assert whole.key_for("list:1") != whole.key_for("list:2")
