"""What is reserved, taken back and recalled, place by place, over a real store's counters."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.auth.throttle import (
    KNOWN_FACTOR,
    RECALL_PAUSE_S,
    WINDOW_S,
    Caller,
    Throttle,
    ThrottleLimits,
    account_waits_until_s,
)
from mailserver.store.ports.shared.attempts import LogIn
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import AccountId
from tests.store.template import put_new_store

HERE, THERE = "198.51.100.7", "203.0.113.9"
NOW_S = 1_800_000_000.0
KNOWN_S = 30 * 86_400.0
FREE = 5
LIMITS = ThrottleLimits(
    free_count=FREE, block_count=50, ipv4_bits=24, ipv6_bits=64, known_s=KNOWN_S, trusted=()
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store
    store.close()


def caller(peer: str = HERE, *, by_whom: str = "") -> Caller:
    return Caller(
        who="name:1",
        whose="account:1",
        account_id=AccountId(1),
        by_whom=by_whom,
        peer=peer,
        door="pop3s",
    )


def tries(throttle: Throttle, count: int, peer: str = HERE, *, first: int = 0) -> int:
    """How many of so many different passwords are admitted at one instant."""
    return sum(
        throttle.admit(caller(peer), digest=f"{number:016x}", now_s=NOW_S) is not None
        for number in range(first, first + count)
    )


def note_log_in(store: SqliteStore, *, ago_s: float = 9.0, by_whom: str = "") -> None:
    at_s = NOW_S - ago_s
    log_in = LogIn(
        at_s=at_s, last_at_s=at_s, door="pop3s", peer=HERE, is_success=True, by_whom=by_whom
    )
    store.counters.note_log_in(AccountId(1), log_in)


def test_what_the_name_may_not_try_anywhere_is_not_counted_in_its_block(
    store: SqliteStore,
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    blocks = [f"203.0.{number}.1" for number in range(KNOWN_FACTOR)]
    assert [tries(throttle, FREE, peer, first=n * FREE) for n, peer in enumerate(blocks)] == [
        FREE
    ] * KNOWN_FACTOR
    assert tries(throttle, FREE, HERE, first=900) == 0
    since_s = NOW_S - WINDOW_S
    assert (
        store.counters.read_failures("name:1", "198.51.100.0/24", since_s=since_s).distinct_count
        == 0
    )


@pytest.mark.parametrize(
    ("ago_s", "by_whom", "is_known"),
    [
        (0.0, "", True),
        (KNOWN_S - 1, "", True),
        (KNOWN_S, "", False),
        (-1.0, "", False),
        (9.0, "jmarot", False),  # a holder signed in there, not this person
    ],
)
def test_who_signed_in_here_lately_may_try_ten_times_as_often(
    store: SqliteStore, ago_s: float, by_whom: str, *, is_known: bool
) -> None:
    note_log_in(store, ago_s=ago_s, by_whom=by_whom)
    many = FREE * KNOWN_FACTOR
    assert tries(Throttle(store.counters, LIMITS), many + 3) == (many if is_known else FREE)


def test_a_try_that_was_taken_back_leaves_its_place_to_another(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    for number in range(3 * FREE):
        admission = throttle.admit(caller(), digest=f"{number:016x}", now_s=NOW_S)
        assert admission is not None
        throttle.withdraw(admission)
    assert tries(throttle, FREE + 1) == FREE


def test_a_remembered_log_in_is_looked_for_while_the_name_does_not_wait(
    store: SqliteStore,
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    assert [throttle.may_recall(caller(), now_s=NOW_S) for _ in range(3)] == [True] * 3


def test_while_it_waits_it_is_looked_for_now_and_then(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    many = FREE * KNOWN_FACTOR
    note_log_in(store)
    assert tries(throttle, many) == many
    moments = [NOW_S, NOW_S, NOW_S + 0.5]
    assert [throttle.may_recall(caller(), now_s=moment_s) for moment_s in moments] == [
        True,  # or anybody in a school could lock their neighbours out
        False,
        False,
    ]
    tries(throttle, 1, first=900)
    later_s = NOW_S + RECALL_PAUSE_S
    throttle.failed(caller(), digest="f" * 16, now_s=later_s)
    assert throttle.may_recall(caller(), now_s=later_s)
    assert not throttle.may_recall(caller(), now_s=later_s)


def test_where_addresses_say_nothing_nothing_is_recalled_while_the_name_waits(
    store: SqliteStore,
) -> None:
    limits = dataclasses.replace(LIMITS, trusted=(ipaddress.ip_network("198.51.100.0/24"),))
    throttle = Throttle(store.counters, limits)
    many = FREE * KNOWN_FACTOR
    assert throttle.may_recall(caller(), now_s=NOW_S)
    assert tries(throttle, many + 3) == many
    assert not throttle.may_recall(caller(), now_s=NOW_S)
    assert throttle.may_recall(caller(THERE), now_s=NOW_S)


def test_an_administrator_is_told_until_when_an_account_waits(store: SqliteStore) -> None:
    throttle, account_id = Throttle(store.counters, LIMITS), AccountId(1)
    many = FREE * KNOWN_FACTOR

    def until_s(now_s: float) -> float:
        return account_waits_until_s(store.counters, account_id, LIMITS, now_s=now_s)

    for number in range(many - 1):
        throttle.failed(caller(), digest=f"{number:016x}", now_s=NOW_S)
    assert until_s(NOW_S) == 0.0
    throttle.failed(caller(), digest="f" * 16, now_s=NOW_S)
    assert until_s(NOW_S) == NOW_S + 1
    assert until_s(NOW_S - 100) == NOW_S - 99  # by a clock that came back
    assert until_s(NOW_S + WINDOW_S + 1) == 0.0


def slow_down(store: SqliteStore, throttle: Throttle) -> None:
    """So many other names fail from here that this block takes turns."""
    for number in range(80):
        other = dataclasses.replace(caller(), who=f"name:n{number}", whose=f"name:n{number}")
        throttle.failed(other, digest="x", now_s=NOW_S)


@pytest.mark.parametrize("is_known", [False, True])
def test_only_who_signed_in_here_lately_is_admitted_out_of_turn(
    store: SqliteStore, is_known: bool
) -> None:
    if is_known:
        note_log_in(store)
    throttle = Throttle(store.counters, LIMITS)
    slow_down(store, throttle)
    assert tries(throttle, 4) == (4 if is_known else 1)


def test_who_waits_for_a_turn_counts_nowhere(store: SqliteStore) -> None:
    throttle = Throttle(store.counters, LIMITS)
    slow_down(store, throttle)
    assert tries(throttle, 4) == 1
    read = store.counters.read_failures("name:1", "198.51.100.0/24", since_s=NOW_S - WINDOW_S)
    assert read.distinct_count == 1


def test_a_wrong_password_stands_in_the_accounts_list_and_a_right_one_does_not(
    store: SqliteStore,
) -> None:
    throttle = Throttle(store.counters, LIMITS)
    wrong = throttle.admit(caller(by_whom="head"), digest="w", now_s=NOW_S)
    right = throttle.admit(caller(), digest="r", now_s=NOW_S)
    assert wrong is not None
    assert right is not None
    throttle.denied(wrong)
    throttle.granted(right)
    (noted,) = store.counters.log_ins(AccountId(1))
    assert (noted.is_success, noted.peer, noted.door) == (False, HERE, "pop3s")
    assert (noted.at_s, noted.by_whom) == (NOW_S, "head")
    total = store.counters.read_failures("account:1", "", since_s=NOW_S - WINDOW_S)
    assert total.distinct_count == 1


def test_who_signed_in_elsewhere_is_nobody_who_is_known_here(store: SqliteStore) -> None:
    note_log_in(store)
    throttle = Throttle(store.counters, LIMITS)
    assert tries(throttle, 4 * FREE, THERE) == FREE
    assert tries(throttle, 4 * FREE, "198.51.100.200", first=500) == 4 * FREE  # the same block
