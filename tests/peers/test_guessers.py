"""Who guesses recipients, over sessions, processes and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.peers.guessers import (
    LOOK_AGAIN_S,
    MAX_BLOCKS,
    WINDOW_S,
    Guessers,
    Ledger,
    PrivateLedger,
)
from mailserver.store.sqlite.store import SqliteStore
from tests.store.template import put_new_store

PEER, NEIGHBOUR, OTHER = "203.0.113.9", "203.0.113.77", "198.51.100.1"
MOST = 10


class Clock:
    now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["private", "store"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "private":
        yield PrivateLedger()
        return
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store.counters
    store.close()


def make(ledger: Ledger, clock: Clock) -> Guessers:
    return Guessers(ledger, most=MOST, clock_s=clock, wall_s=clock)


def ask(guessers: Guessers, count: int, peer: str = PEER) -> None:
    for _ in range(count):
        guessers.note_unknown(peer)


def test_a_block_waits_that_asks_for_too_many(ledger: Ledger, clock: Clock) -> None:
    guessers = make(ledger, clock)
    ask(guessers, MOST)
    assert not guessers.must_wait(PEER)
    ask(guessers, 1)
    assert guessers.must_wait(PEER)
    assert guessers.must_wait(NEIGHBOUR)
    assert not guessers.must_wait(OTHER)


def test_what_it_brings_is_held_against_it(ledger: Ledger, clock: Clock) -> None:
    guessers = make(ledger, clock)
    for _ in range(100):
        guessers.note_accepted(PEER, 1)
        ask(guessers, 1)
        assert not guessers.must_wait(PEER)
    ask(guessers, MOST + 1)
    assert guessers.must_wait(PEER)
    guessers.note_accepted(PEER, 5)  # of a transaction that was open
    assert not guessers.must_wait(PEER)


def test_an_hour_later_it_may_come_again(ledger: Ledger, clock: Clock) -> None:
    guessers = make(ledger, clock)
    ask(guessers, 50)
    clock.now_s += WINDOW_S + 1
    assert not guessers.must_wait(PEER)
    ask(guessers, MOST)
    assert not guessers.must_wait(PEER)


def test_nobody_waits_for_a_clock_that_was_ahead_and_came_back(
    ledger: Ledger, clock: Clock
) -> None:
    guessers = make(ledger, clock)
    clock.now_s += 63e6
    ask(guessers, 50)
    assert guessers.must_wait(PEER)
    clock.now_s -= 63e6
    assert not guessers.must_wait(PEER)


def test_processes_and_restarts_share_it(ledger: Ledger, clock: Clock) -> None:
    here, there = make(ledger, clock), make(ledger, clock)
    assert not there.must_wait(PEER)
    ask(here, 50)
    clock.now_s += LOOK_AGAIN_S
    assert there.must_wait(PEER)
    assert make(ledger, clock).must_wait(PEER)


def test_memory_is_bounded(clock: Clock) -> None:
    guessers = make(PrivateLedger(), clock)
    for number in range(MAX_BLOCKS + 100):
        guessers.must_wait(f"{1 + number // 65536}.{number // 256 % 256}.{number % 256}.1")
    assert len(guessers._records) <= MAX_BLOCKS


def test_a_block_brings_so_much_within_an_hour(ledger: Ledger, clock: Clock) -> None:
    here = Guessers(ledger, most=MOST, most_accepted=250, clock_s=clock, wall_s=clock)
    there = Guessers(ledger, most=MOST, most_accepted=250, clock_s=clock, wall_s=clock)
    for _ in range(250):
        here.note_accepted(PEER, 1)
    assert not here.brings_too_much(PEER)
    there.note_accepted(NEIGHBOUR, 100)
    assert there.brings_too_much(PEER)
    clock.now_s += LOOK_AGAIN_S
    assert here.brings_too_much(PEER)
    assert not here.brings_too_much(OTHER)
    clock.now_s += WINDOW_S + 1
    assert not here.brings_too_much(PEER)


def test_what_a_block_brought_counts_for_one_hour(ledger: Ledger, clock: Clock) -> None:
    guessers = Guessers(ledger, most=MOST, most_accepted=5, clock_s=clock, wall_s=clock)
    guessers.note_accepted(PEER, 5)
    assert not guessers.brings_too_much(PEER)
    guessers.note_accepted(PEER, 1)
    guessers.note_unknown(PEER)  # written, and read from there
    assert guessers.brings_too_much(PEER)
    assert not guessers.brings_too_much(OTHER)
    clock.now_s += WINDOW_S
    assert not guessers.brings_too_much(PEER)
    clock.now_s -= 3 * WINDOW_S  # it was ahead
    assert not guessers.brings_too_much(PEER)
