"""Counters of tries and acts: all processes count together; what is over counts anew."""

from __future__ import annotations

import threading

import pytest

from mailserver.peers.guessers import Asked
from mailserver.store.ports.shared.attempts import (
    KEPT_LOG_INS_COUNT,
    MERGED_WITHIN_S,
    NO_FAILURES,
    Attempts,
    Failures,
    LogIn,
)
from mailserver.store.ports.store import Store
from mailserver.values.ids import AccountId
from tests.store.letters import NOW_S
from tests.store.places import Place

WHO, BLOCK = "account 7", "192.0.2.0/24"
HOUR_S = 3600.0


@pytest.fixture
def counters(store: Store) -> Attempts:
    return store.counters


def fail(counters: Attempts, digest: str, *, at_s: float = NOW_S, who: str = WHO) -> None:
    counters.note_failure([(BLOCK, who)], digest, now_s=at_s, since_s=at_s - HOUR_S)


def failures(counters: Attempts, *, since_s: float = NOW_S - HOUR_S, who: str = WHO) -> Failures:
    return counters.read_failures(who, BLOCK, since_s=since_s)


def test_the_same_wrong_password_counts_once(counters: Attempts, place: Place) -> None:
    assert failures(counters) == NO_FAILURES
    for second, digest in enumerate(("a", "b", "a", "b", "c")):
        fail(counters, digest, at_s=NOW_S + second)
    assert failures(counters) == failures(place.open().counters) == Failures(3, NOW_S + 4)
    assert failures(counters, since_s=NOW_S + 5) == NO_FAILURES
    fail(counters, "a", at_s=NOW_S + 2 * HOUR_S)  # long after: the row begins anew
    assert failures(counters) == Failures(1, NOW_S + 2 * HOUR_S)


def test_names_that_fail_from_a_block_are_counted_as_far_as_asked(counters: Attempts) -> None:
    for number in range(5):
        fail(counters, "x", who=f"n{number}")
    counted = [counters.count_failing(BLOCK, since_s=NOW_S, limit=most) for most in (3, 5, 9)]
    assert counted == [3, 5, 5]
    counters.clear_failures("n0", BLOCK)
    assert counters.count_failing(BLOCK, since_s=NOW_S, limit=9) == 4
    assert counters.count_failing("198.51.100.0/24", since_s=NOW_S, limit=9) == 0


def reserve(counters: Attempts, digest: str, seen: Failures, *, at_s: float = NOW_S) -> int:
    return counters.reserve_failure(
        WHO, BLOCK, digest, seen=seen, now_s=at_s, since_s=at_s - HOUR_S
    )


def test_of_tries_at_one_instant_one_finds_the_count_as_it_was_seen(
    counters: Attempts, place: Place
) -> None:
    """Processes that have all seen the same count: one goes on, the others must look again."""
    others = [place.open().counters for _ in range(3)]
    seen = failures(counters)
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda one=one, digest=str(n): answers.append(reserve(one, digest, seen))
        )
        for n, one in enumerate((counters, *others))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [0, 0, 0, 1]
    assert failures(counters).distinct_count == 1


def test_a_try_that_was_right_is_given_back(counters: Attempts) -> None:
    fail(counters, "a")
    seen = failures(counters)
    assert reserve(counters, "b", seen, at_s=NOW_S + 1) == 2
    counters.return_failure(WHO, BLOCK, "b", seen=seen, now_s=NOW_S + 1)
    assert failures(counters) == seen
    counters.return_failure(WHO, BLOCK, "never", seen=seen, now_s=NOW_S + 1)
    assert failures(counters) == seen


def test_a_turn_is_one_askers_in_each_pause(counters: Attempts, place: Place) -> None:
    other = place.open().counters
    at_s = [(NOW_S, True), (NOW_S, False), (NOW_S + 1.9, False), (NOW_S + 2, True)]
    taken = [other.take_turn(BLOCK, now_s=one, pause_s=2.0) for one, _ in at_s]
    assert taken == [was for _, was in at_s]
    assert not counters.take_turn(BLOCK, now_s=NOW_S + 2, pause_s=2.0)
    assert counters.take_turn("another", now_s=NOW_S, pause_s=2.0)


def test_acts_are_counted_in_their_window_and_read_without_counting(
    counters: Attempts, place: Place
) -> None:
    other = place.open().counters

    def count(one: Attempts, at_s: float) -> int:
        return one.count_act("key", now_s=at_s, window_s=60.0)

    assert [count(counters, NOW_S), count(other, NOW_S + 1), count(counters, NOW_S + 60)] == [
        1,
        2,
        3,
    ]
    assert other.read_act("key", now_s=NOW_S + 60, window_s=60.0) == 3
    assert other.read_act("key", now_s=NOW_S + 60, window_s=60.0) == 3
    assert count(other, NOW_S + 61) == 1
    assert counters.read_act("another", now_s=NOW_S, window_s=60.0) == 0


def test_what_a_block_asks_for_adds_up_over_processes(store: Store, place: Place) -> None:
    def note(one: Store, at_s: float, unknown: int, accepted: int) -> Asked:
        return one.counters.note_asked(
            BLOCK, unknown=unknown, accepted=accepted, now_s=at_s, since_s=at_s - HOUR_S
        )

    assert store.counters.read_asked(BLOCK, since_s=NOW_S) == Asked()
    note(store, NOW_S, 2, 1)
    found = note(place.open(), NOW_S + 1, 3, 0)
    assert (found.unknown, found.accepted) == (5, 1)
    assert store.counters.read_asked(BLOCK, since_s=NOW_S) == found
    again = note(store, NOW_S + 2 * HOUR_S, 1, 0)
    assert (again.unknown, again.accepted) == (1, 0)


def test_the_key_of_names_is_one_for_all_and_stays(counters: Attempts, place: Place) -> None:
    key = counters.name_key()
    assert len(key) == 32
    assert place.open().counters.name_key() == counters.name_key() == key


def log_in(at_s: float, *, peer: str = "192.0.2.1", is_success: bool = True) -> LogIn:
    return LogIn(at_s=at_s, last_at_s=at_s, door="pop3s", peer=peer, is_success=is_success)


def test_log_ins_alike_are_one_line_and_the_last_of_each_kind_are_kept(counters: Attempts) -> None:
    account_id = AccountId(7)
    for at_s in (NOW_S, NOW_S + 60, NOW_S + MERGED_WITHIN_S):
        counters.note_log_in(account_id, log_in(at_s))
    assert [(one.at_s, one.count) for one in counters.log_ins(account_id)] == [
        (NOW_S + MERGED_WITHIN_S, 1),
        (NOW_S, 2),
    ]
    counters.note_log_in(account_id, log_in(NOW_S, is_success=False))
    for number in range(KEPT_LOG_INS_COUNT + 5):
        counters.note_log_in(account_id, log_in(NOW_S, peer=f"2001:db8::{number}"))
    kept = counters.log_ins(account_id)
    assert sum(one.is_success for one in kept) == KEPT_LOG_INS_COUNT
    assert sum(not one.is_success for one in kept) == 1
    assert counters.log_ins(AccountId(8)) == ()


def test_an_account_is_over_its_limit_once_until_it_is_released(store: Store, place: Place) -> None:
    sent, other, who = store.counters.sent, place.open().counters.sent, AccountId(7)
    first = sent.count_sent(who, ["a@b.test", "c@b.test"], meets=True, now_s=NOW_S)
    second = other.count_sent(who, ["a@b.test"], meets=True, now_s=NOW_S)
    assert (first.day_messages, first.day_recipients, first.day_new_recipients) == (1, 2, 2)
    assert (second.day_messages, second.day_recipients, second.day_new_recipients) == (2, 3, 2)
    assert [one.begin_over_limit(who, now_s=NOW_S) for one in (sent, other)] == [True, False]
    assert sent.over_limit() == {who: NOW_S}
    other.forget_sent(who)
    assert sent.over_limit() == {}
    assert sent.count_sent(who, ["a@b.test"], meets=False, now_s=NOW_S).day_messages == 1
    assert [other.count_report("x@a.test", now_s=NOW_S) for _ in range(2)] == [1, 2]
