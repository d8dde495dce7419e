"""Who may come in: one block cannot take all places, and no listener is shut by another."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.peers.board import PeersBoard
from mailserver.peers.seats import LONG_IDLE_S, LOOK_AGAIN_S, Refusal, Seat, Seats, says_who
from mailserver.settings.model import ConnectionsSettings
from mailserver.values.ids import AccountId
from mailserver.values.ip import parse_ip

NOW_S = 1000.0
LISTENERS = ("mx", "submission", "submissions")
STRANGER, OTHER = "203.0.113.9", "198.51.100.7"


class Someone:
    def __init__(self, *, idle_since_s: float | None = NOW_S) -> None:
        self.idle_since_s = idle_since_s
        self.has_left = False

    def idle_s(self, now_s: float) -> float | None:
        return None if self.idle_since_s is None else now_s - self.idle_since_s

    def make_room(self) -> None:
        self.has_left = True


class House:
    def __init__(self, *, most: int = 200, path: Path | None = None, **limits: Any) -> None:
        self.known: set[str] = set()
        self.board = PeersBoard(path, now_s=NOW_S)
        self.unsaid: set[str] = set()
        self.seats = Seats(
            ConnectionsSettings(**({"per_block": 50, "per_known_block": 120} | limits)),
            most=most,
            listeners=LISTENERS,
            board=self.board,
            says_who=lambda peer: peer not in self.unsaid,
            is_known=lambda peer: peer in self.known,
        )

    def come(
        self, peer: str, at: str = "mx", *, guest: Someone | None = None, now_s: float = NOW_S
    ) -> Seat | Refusal:
        return self.seats.admit(guest or Someone(), listener=at, peer=peer, now_s=now_s)

    def crowd(self, count: int, peer: str = STRANGER, at: str = "mx") -> list[Seat]:
        came = [self.come(peer, at) for _ in range(count)]
        return [seat for seat in came if isinstance(seat, Seat)]


def test_one_address_gets_so_many_and_others_come_in() -> None:
    house = House()
    assert len(house.crowd(80)) == 50
    assert house.come(STRANGER) is Refusal.TOO_MANY_FROM_THERE
    assert isinstance(house.come(OTHER), Seat)


def test_who_leaves_makes_room_for_the_next_of_its_block() -> None:
    house = House()
    seats = house.crowd(50)
    house.seats.leave(seats[0])
    house.seats.leave(seats[0])
    assert len(house.crowd(2)) == 1


@pytest.mark.parametrize(
    ("peers", "most"),
    [
        ([f"203.0.113.{n}" for n in range(256)], 200),
        ([f"2001:db8:1:1::{n:x}" for n in range(256)], 50),
        ([f"2001:db8:1:{n:x}::1" for n in range(512)], 200),
        ([f"::ffff:203.0.113.{n}" for n in range(256)], 200),
    ],
    ids=["a /24", "one /64", "a /48", "IPv4 in IPv6"],
)
def test_who_has_many_addresses_is_one_block(peers: list[str], most: int) -> None:
    house = House(most=10_000)
    came = [house.come(peer) for peer in peers for _ in range(3)]
    assert sum(isinstance(one, Seat) for one in came) == most


def test_a_block_where_people_signed_in_lately_gets_more() -> None:
    house = House()
    house.known.add(STRANGER)
    assert len(house.crowd(150)) == 120


def test_who_signs_in_counts_no_more_for_its_block() -> None:
    house = House(per_account=40)
    for number, seat in enumerate(house.crowd(50)):
        house.seats.sign_in(seat, AccountId(number))
    assert len(house.crowd(80)) == 50


def test_one_account_moves_only_so_many() -> None:
    house = House(per_account=10)
    for seat in house.crowd(50):
        house.seats.sign_in(seat, AccountId(7))
    assert len(house.crowd(80)) == 10


def test_addresses_that_say_nothing_are_not_counted() -> None:
    house = House()
    house.unsaid.add("172.17.0.1")
    assert len(house.crowd(150, "172.17.0.1")) == 150


def test_who_hides_behind_a_gateway_makes_room_when_idle_for_long() -> None:
    house = House(most=50)
    house.unsaid.add("172.17.0.1")
    house.crowd(50, "172.17.0.1")
    assert house.come("172.17.0.1") is Refusal.FULL
    later_s = NOW_S + LONG_IDLE_S + LOOK_AGAIN_S
    assert isinstance(house.come("172.17.0.1", now_s=later_s), Seat)


def test_no_listener_is_shut_by_what_another_one_holds() -> None:
    house = House(most=200, per_block=10_000, per_known_block=10_000)
    mx = house.crowd(1000)
    assert len(mx) == 200 - 2 * 20 - 40
    assert len(house.crowd(1000, at="submission")) == 20
    assert len(house.crowd(1000, at="submissions")) == 20


def test_a_share_is_kept_for_people_who_are_known() -> None:
    house = House(most=200, per_block=10_000, per_known_block=10_000)
    for listener in LISTENERS:
        house.crowd(1000, at=listener)
    assert len(house.seats) == 160
    house.known.add(OTHER)
    assert len(house.crowd(1000, OTHER, "submissions")) >= 40


def test_a_newcomer_takes_the_place_of_the_largest_block() -> None:
    house = House(most=100, per_block=10_000, per_known_block=10_000)
    first = Someone(idle_since_s=NOW_S - 5)
    house.come(STRANGER, guest=first)
    house.crowd(1000)
    came = house.come(OTHER)
    assert isinstance(came, Seat)
    assert first.has_left


def test_who_is_at_work_or_signed_in_is_not_sent_away() -> None:
    house = House(most=100, per_block=10_000, per_known_block=10_000)
    busy = [Someone(idle_since_s=None) for _ in range(100)]
    for one in busy:
        house.come(STRANGER, guest=one)
    assert house.come(OTHER) is Refusal.FULL
    assert not any(one.has_left for one in busy)


def test_who_begins_to_work_after_it_was_chosen_stays() -> None:
    """Those who may go are looked for now and then, and asked one after the other."""
    house = House(most=100, per_block=10_000, per_known_block=10_000)
    guests = [Someone(idle_since_s=NOW_S - 5) for _ in range(100)]
    for guest in guests:
        house.come(STRANGER, guest=guest)
    assert isinstance(house.come(OTHER, guest=Someone(idle_since_s=None)), Seat)
    left = [guest for guest in guests if guest.has_left]
    assert len(left) == 1
    for guest in guests:
        guest.idle_since_s = None
    assert house.come(OTHER) is Refusal.FULL
    assert [guest for guest in guests if guest.has_left] == left


def test_many_addresses_with_one_idle_connection_each_make_room() -> None:
    house = House(most=100)
    guests = [Someone() for _ in range(200)]
    for number, one in enumerate(guests):
        house.come(f"10.{number}.0.1", guest=one)
    assert house.come("192.0.2.1") is Refusal.FULL
    later_s = NOW_S + LONG_IDLE_S + LOOK_AGAIN_S
    assert isinstance(house.come("192.0.2.1", now_s=later_s), Seat)
    assert sum(one.has_left for one in guests) == 1


def test_one_that_is_idle_for_long_goes_although_a_larger_block_is_busy() -> None:
    house = House(most=20, per_block=10_000, per_known_block=10_000)
    later_s = NOW_S + LONG_IDLE_S + 1
    old = Someone()
    house.come(OTHER, guest=old)
    for _ in range(40):
        house.come(STRANGER, guest=Someone(idle_since_s=later_s))
    assert isinstance(house.come(STRANGER, now_s=later_s), Seat)
    assert old.has_left


def test_the_processes_of_a_door_count_together(tmp_path: Path) -> None:
    here, there = House(path=tmp_path / "board"), House(path=tmp_path / "board")
    for house in (here, there):
        house.board.beat(now_s=NOW_S)
    assert len(here.crowd(30)) == 30
    assert len(there.crowd(30)) == 20
    assert here.come(STRANGER) is Refusal.TOO_MANY_FROM_THERE


@given(st.lists(st.tuples(st.sampled_from([STRANGER, OTHER, "::1"]), st.booleans()), max_size=120))
def test_whatever_comes_and_goes_nothing_is_left_of_it(came: list[tuple[str, bool]]) -> None:
    house, seats = House(most=60), []
    for number, (peer, signs_in) in enumerate(came):
        seat = house.come(peer)
        if isinstance(seat, Seat):
            seats.append(seat)
            if signs_in:
                house.seats.sign_in(seat, AccountId(number % 5))
    assert len(house.seats) <= 60
    for seat in seats:
        house.seats.leave(seat)
    taken = house.seats._taken
    assert (len(house.seats), taken.blocks, taken.accounts, taken.known) == (0, {}, {}, 0)
    assert not any(taken.listeners.values())


def test_an_account_counts_what_is_left_of_it_when_some_leave() -> None:
    """Else who comes and goes would have any number by account, and none by block."""
    house = House(per_account=2)
    seats = house.crowd(4)
    for seat in seats[:2]:
        house.seats.sign_in(seat, AccountId(7))
    house.seats.leave(seats[0])
    for seat in seats[2:]:
        house.seats.sign_in(seat, AccountId(7))
    assert [seat.account_id for seat in seats] == [7, 7, 7, None]
    house.seats.leave(seats[1])
    house.seats.leave(seats[2])
    house.seats.sign_in(seats[3], AccountId(7))
    assert seats[3].account_id == 7


def test_an_address_says_who_connects_unless_it_is_trusted_or_a_gateway() -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    ask = says_who(networks, {parse_ip("203.0.113.1")})
    said = {peer: ask(peer) for peer in ("203.0.113.1", "203.0.113.2", "10.1.2.3", "2001:db8::1")}
    assert said == {
        "203.0.113.1": False, "203.0.113.2": True, "10.1.2.3": False, "2001:db8::1": False
    }  # fmt: skip
    assert says_who(())(STRANGER)


def test_nobody_is_known_where_nobody_asks_who_is() -> None:
    """The share for people who are known is not for everybody by default."""
    seats = Seats(
        ConnectionsSettings(per_block=50, per_known_block=120),
        most=100, listeners=("mx",), board=PeersBoard(None, now_s=NOW_S),
    )  # fmt: skip
    came = [seats.admit(Someone(), listener="mx", peer=STRANGER, now_s=NOW_S) for _ in range(60)]
    assert sum(isinstance(one, Seat) for one in came) == 50


@pytest.mark.parametrize(("listeners", "places"), [(("mx",), 80), (("mx", "submission"), 70)])
def test_a_share_is_kept_for_each_other_listener_and_for_the_known(
    listeners: tuple[str, ...], places: int
) -> None:
    seats = Seats(
        ConnectionsSettings(per_block=1000, per_known_block=1000),
        most=100, listeners=listeners, board=PeersBoard(None, now_s=NOW_S),
    )  # fmt: skip
    busy = Someone(idle_since_s=None)
    came = [seats.admit(busy, listener="mx", peer=STRANGER, now_s=NOW_S) for _ in range(100)]
    assert sum(isinstance(one, Seat) for one in came) == places
