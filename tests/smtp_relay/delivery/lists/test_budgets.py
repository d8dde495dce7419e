"""What strangers can make a list write: bounded by reader, peer, list and hour."""

from __future__ import annotations

from collections import Counter

import pytest

from mailserver.store.ports.lists import Joining, Posting
from mailserver.store.ports.operators import QueueFilter
from smtp_relay.delivery.lists.budgets import (
    ASKING,
    HOUR_S,
    LEAVING,
    MOST_FROM_STRANGERS,
    MOST_LETTERS,
    bare_address,
)
from tests.smtp_relay.delivery.lists.list_house import DOMAIN, LIST, ListHouse, OpenHouse

HELP = f"animateurs-help@{DOMAIN}"
JOIN = f"animateurs-subscribe@{DOMAIN}"
LEAVE = f"animateurs-unsubscribe@{DOMAIN}"
ZOE = "zoe@example.org"


@pytest.fixture
def house(open_house: OpenHouse) -> ListHouse:
    return open_house(joining=Joining.ANYONE)


def ask(house: ListHouse, to: str, *paths: str, peer: str = "192.0.2.1") -> None:
    for number, path in enumerate(paths):
        house.send(b"Subject: %d\r\n\r\nx\r\n" % number, to=to, reverse_path=path, peer=peer)
    house.expand()


def written(house: ListHouse) -> Counter[str]:
    """How many notes wait for each address."""
    found = house.store.queue.list_queue(QueueFilter(), after=None, limit=1000)
    return Counter(one.recipient for one in found if not one.next_hop.startswith("list:"))


def test_two_hundred_requests_for_help_under_one_name_are_three_notes(house: ListHouse) -> None:
    ask(house, HELP, *[ZOE] * 200, peer="")
    assert written(house) == {ZOE: ASKING.reader_count}


def test_variants_with_a_plus_are_one_reader_of_any_request(house: ListHouse) -> None:
    ask(house, JOIN, *(f"Zoe+{number}@Example.org" for number in range(60)), peer="")
    ask(house, HELP, ZOE, peer="")
    assert sum(written(house).values()) == ASKING.reader_count


def test_a_peer_makes_us_write_to_so_many_and_another_one_to_others(house: ListHouse) -> None:
    ask(house, HELP, *(f"p{number}@example.org" for number in range(30)), peer="192.0.2.1")
    assert len(written(house)) == ASKING.block_count
    ask(house, HELP, "q@example.org", peer="192.0.2.200")  # of the same block
    ask(house, HELP, "r@example.org", peer="198.51.100.1")
    assert set(written(house)) & {"q@example.org", "r@example.org"} == {"r@example.org"}


def test_a_list_writes_to_so_many_within_an_hour_and_to_others_in_the_next(
    house: ListHouse,
) -> None:
    ask(house, JOIN, *(f"p{number}@example.org" for number in range(120)), peer="")
    assert len(written(house)) == ASKING.list_count
    house.now_s += 3601
    ask(house, JOIN, ZOE, peer="")
    assert written(house)[ZOE] == 1


def test_a_reader_hears_no_more_than_six_times_a_day(house: ListHouse) -> None:
    for _ in range(5):
        ask(house, HELP, *[ZOE] * 4, peer="")
        house.now_s += 3601
    assert written(house)[ZOE] == ASKING.reader_day_count


def test_forged_requests_keep_nobody_from_leaving(house: ListHouse) -> None:
    house.outside(ZOE)
    ask(house, JOIN, *(f"p{number}@example.org" for number in range(150)))
    ask(house, JOIN, *[ZOE] * 4)
    before = written(house)[ZOE]
    ask(house, LEAVE, ZOE)
    assert written(house)[ZOE] == before + 1
    assert LEAVING.list_count == 0


def test_owners_hear_of_it_once_a_day(house: ListHouse) -> None:
    for _ in range(3):
        ask(house, HELP, *[ZOE] * 10)
        house.now_s += 3601
    (note,) = house.read("chef")
    assert b"Trop de demandes pour animateurs@ac-exemple.fr" in note
    house.now_s += 86_400
    ask(house, HELP, *[ZOE] * 10)
    assert len(house.read("chef")) == 2


def test_our_own_people_are_answered_each_time(house: ListHouse) -> None:
    anne = house.person("anne.durand")
    for _ in range(10):
        house.send(to=HELP, account_id=anne, reverse_path=f"anne.durand@{DOMAIN}")
    house.expand()
    assert len(house.read("anne.durand")) == 10


def test_moderators_hear_of_so_many_posts_of_strangers_and_all_of_them_wait(
    open_house: OpenHouse,
) -> None:
    house = open_house(posting=Posting.MODERATED)
    ask(house, f"animateurs@{DOMAIN}", *[ZOE] * (MOST_FROM_STRANGERS + 10))
    notes = house.read("chef")
    assert sum(b"animateurs-moderate+" in note for note in notes) == MOST_FROM_STRANGERS
    assert len(notes) == MOST_FROM_STRANGERS + 1  # and that there are too many
    assert len(house.held()) == min(MOST_FROM_STRANGERS + 10, 100)


@pytest.mark.parametrize(
    ("path", "bare"),
    [
        ("Zoe+a+b@Example.ORG", ZOE),
        ("zoe@example.org", ZOE),
        ("+zoe@example.org", "+zoe@example.org"),
    ],
)
def test_who_would_get_it(path: str, bare: str) -> None:
    assert bare_address(path) == bare


# --- different posts and letters ----------------------------------------------------------


def different(house: ListHouse, count: int, *, to: str = LIST) -> None:
    for number in range(count):
        house.send(b"Subject: %d\r\n\r\nx\r\n" % number, to=to, reverse_path=ZOE)
    house.expand()


def test_what_a_name_that_may_be_forged_posts_goes_out_so_often_and_then_waits(
    house: ListHouse,
) -> None:
    house.outside(ZOE)
    house.member("anne.durand")
    different(house, MOST_FROM_STRANGERS + 3)
    assert len(house.read("anne.durand")) == MOST_FROM_STRANGERS
    assert (
        house.held()
        == [f"waits for a moderator of {LIST}: strangers post too much within the hour"] * 3
    )
    assert house.store.lists.count_waiting(house.which.list_id, most=500) == 3
    assert house.store.lists.count_waiting(house.which.list_id, most=2) == 2
    jean = house.member("jean.petit")
    house.send(account_id=jean)
    house.expand()
    assert len(house.read("anne.durand")) == MOST_FROM_STRANGERS + 1
    assert house.store.lists.count_waiting(house.which.list_id, most=500) == 3


def test_owners_get_so_many_letters_of_strangers_now_and_the_others_later(
    house: ListHouse,
) -> None:
    to = f"animateurs-owner@{DOMAIN}"
    different(house, MOST_LETTERS + 3, to=to)
    notes = 1  # that strangers ask too much
    assert len(house.read("chef")) == MOST_LETTERS + notes
    house.send(to=to, account_id=house.person("jean.petit"))
    house.expand()
    assert len(house.read("chef")) == MOST_LETTERS + notes + 1
    house.now_s += HOUR_S + 1
    house.expand()
    assert len(house.read("chef")) == MOST_LETTERS + notes + 4
