"""Who must wait: a school behind one address, one wrong saved password, somebody who guesses."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.auth.throttle import (
    NOBODY,
    WINDOW_S,
    Caller,
    Throttle,
    ThrottleLimits,
    pause_s,
    wait_s,
)
from mailserver.peers.blocks import block_of
from mailserver.store.ports.shared.attempts import LogIn
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import AccountId
from tests.store.template import put_new_store

NAT = "198.51.100.7"
NOW_S = 1_800_000_000.0
LIMITS = ThrottleLimits(
    free_count=5, block_count=50, ipv4_bits=24, ipv6_bits=64, known_s=30 * 86_400.0, trusted=()
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store
    store.close()


def caller(number: int, peer: str = NAT, *, name: str = "") -> Caller:
    return Caller(
        who=f"name:{name or number}",
        whose=f"account:{number}",
        account_id=AccountId(number),
        by_whom="",
        peer=peer,
        door="pop3s",
    )


def nobody(name: str, peer: str = NAT) -> Caller:
    who = f"name:{name}"
    return Caller(who=who, whose=who, account_id=NOBODY, by_whom="", peer=peer, door="pop3s")


def guess(throttle: Throttle, who: Caller, count: int, *, now_s: float = NOW_S) -> None:
    for number in range(count):
        throttle.failed(who, digest=f"{number:016x}", now_s=now_s)


@pytest.mark.slow
def test_a_wrong_saved_password_that_polls_blocks_no_neighbour_and_not_itself(
    store: SqliteStore,
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    neighbours = [caller(number) for number in range(2, 42)]
    for minute in range(600):
        now_s = NOW_S + minute * 60.0
        assert not throttle.must_wait(caller(1), now_s=now_s)
        throttle.failed(caller(1), digest="the-same-one", now_s=now_s)
        assert not throttle.must_wait(neighbours[minute % 40], now_s=now_s)
    assert not throttle.must_wait(caller(1), now_s=NOW_S + 36_000.0)  # corrected: at once


def test_forty_computers_behind_one_address_with_forty_wrong_passwords_are_not_slowed(
    store: SqliteStore,
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    for number in range(1, 41):
        for _ in range(3):
            throttle.failed(caller(number), digest="the-old-one", now_s=NOW_S)
    assert not any(throttle.must_wait(caller(n), now_s=NOW_S) for n in range(1, 60))


def test_a_block_from_which_many_names_fail_is_let_in_one_by_one(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    for number in range(60):
        throttle.failed(nobody(f"n{number}"), digest="x", now_s=NOW_S)
    waits = [throttle.must_wait(caller(n), now_s=NOW_S) for n in range(100, 103)]
    assert waits == [False, True, True]
    assert not throttle.must_wait(caller(101), now_s=NOW_S + 2.0)
    assert not throttle.must_wait(caller(101, "203.0.113.9"), now_s=NOW_S)


def test_who_signed_in_there_lately_is_not_slowed_by_the_others(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    store.counters.note_seen(
        AccountId(7), LastSeen(door="pop3s", peer="198.51.100.200", at_s=NOW_S)
    )
    for number in range(80):
        throttle.failed(nobody(f"n{number}"), digest="x", now_s=NOW_S)
    assert not any(throttle.must_wait(caller(7), now_s=NOW_S) for _ in range(5))
    assert any(throttle.must_wait(caller(8), now_s=NOW_S) for _ in range(2))


def test_a_long_list_of_log_ins_is_read_once_a_minute(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    read: list[AccountId] = []

    def log_ins(account_id: AccountId) -> tuple[LogIn, ...]:
        read.append(account_id)
        return ()

    monkeypatch.setattr(store.counters, "log_ins", log_ins)
    for who in (caller(1), nobody("x")):
        for second in range(100):
            throttle.must_wait(who, now_s=NOW_S + second)
            throttle.failed(who, digest="the-same-one", now_s=NOW_S + second)
    assert read == [1, 1, NOBODY, NOBODY]
    throttle.succeeded(caller(1))
    throttle.must_wait(caller(1), now_s=NOW_S + 100)
    assert len(read) == 5


def test_different_wrong_passwords_make_a_name_wait_longer_and_longer(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    guess(throttle, caller(1), 4)
    assert not throttle.must_wait(caller(1), now_s=NOW_S)
    guess(throttle, caller(1), 8)  # three more are new
    assert throttle.must_wait(caller(1), now_s=NOW_S + 7)
    assert not throttle.must_wait(caller(1), now_s=NOW_S + 8)
    assert not throttle.must_wait(caller(1, "203.0.113.9"), now_s=NOW_S)


def test_a_name_that_nobody_has_waits_like_any_other(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    guess(throttle, nobody("x"), 9)
    guess(throttle, caller(1), 9)
    for after_s in (0, 15, 16):
        assert throttle.must_wait(nobody("x"), now_s=NOW_S + after_s) == throttle.must_wait(
            caller(1), now_s=NOW_S + after_s
        )


def test_success_forgets_and_so_does_an_hour(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    guess(throttle, caller(1), 12)
    guess(throttle, caller(2), 20)
    throttle.succeeded(caller(1))
    assert not throttle.must_wait(caller(1), now_s=NOW_S)
    assert throttle.must_wait(caller(2), now_s=NOW_S + 800)
    assert not throttle.must_wait(caller(2), now_s=NOW_S + WINDOW_S + 1)


def test_a_name_does_not_wait_for_what_was_tried_under_another_name_of_the_account(
    store: SqliteStore,
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    guess(throttle, caller(1), 9)
    assert throttle.must_wait(caller(1), now_s=NOW_S)
    assert not throttle.must_wait(caller(1, name="address"), now_s=NOW_S)


def test_guesses_from_many_places_are_counted_together(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    for number in range(60):
        peer = f"203.0.{number}.1"
        throttle.failed(caller(1, peer), digest=f"{number:016x}", now_s=NOW_S)
    assert throttle.must_wait(caller(1, "192.0.2.1"), now_s=NOW_S)
    store.counters.note_seen(AccountId(1), LastSeen(door="pop3s", peer=NAT, at_s=NOW_S))
    assert not throttle.must_wait(caller(1), now_s=NOW_S)  # where it signed in lately


@pytest.mark.parametrize("reason", ["gateway", "watch", "trusted"])
def test_addresses_that_say_nothing_are_not_counted(store: SqliteStore, reason: str) -> None:
    address = ipaddress.ip_address(NAT)
    trusted = (ipaddress.ip_network("198.51.100.0/24"),) if reason == "trusted" else ()
    throttle = Throttle(
        store.counters,
        dataclasses.replace(LIMITS, trusted=trusted),
        addresses_say_who=lambda: reason != "watch",
        gateways=[address] if reason == "gateway" else [],
    )
    for number in range(90):
        throttle.failed(nobody(f"n{number}"), digest="x", now_s=NOW_S)
    assert not any(throttle.must_wait(caller(n), now_s=NOW_S) for n in range(5))
    guess(throttle, caller(1), 60)
    assert throttle.must_wait(caller(1), now_s=NOW_S)  # names still are


def test_all_processes_count_together(store: SqliteStore, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "store")
    guess(Throttle(store.counters, LIMITS), caller(1), 12)
    assert Throttle(other.counters, LIMITS).must_wait(caller(1), now_s=NOW_S)
    other.close()


def test_waits_double_and_end() -> None:
    assert [wait_s(n, 5) for n in (0, 4, 5, 6, 8, 500)] == [0, 0, 1, 2, 8, 900]
    assert [pause_s(n, 50) for n in (0, 50, 60, 70, 999)] == [0, 0, 2, 4, 60]


@pytest.mark.parametrize(
    ("peer", "block"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", ""),
    ],
)
def test_blocks_of_addresses(peer: str, block: str) -> None:
    assert block_of(peer, 24, 64) == block


@pytest.mark.parametrize("ahead_s", [3600.0, 63e6])
def test_nobody_waits_for_a_clock_that_was_ahead_and_came_back(
    store: SqliteStore, ahead_s: float
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    guess(throttle, caller(1), 60, now_s=NOW_S + ahead_s)
    assert throttle.must_wait(caller(1), now_s=NOW_S + ahead_s)
    assert not throttle.must_wait(caller(1), now_s=NOW_S)


def test_a_log_in_of_the_future_makes_nobody_known(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    seen = LogIn(at_s=NOW_S + 63e6, last_at_s=NOW_S + 63e6, door="pop3s", peer=NAT, is_success=True)
    store.counters.note_log_in(AccountId(1), seen)
    guess(throttle, caller(1), 6)
    assert throttle.must_wait(caller(1), now_s=NOW_S)
