"""Refusals are counted by reason; few names of blocks are kept, and the busiest is told."""

from __future__ import annotations

from pathlib import Path

from mailserver.peers.refusals import (
    ADVICE,
    COUNTER,
    MOST_BLOCKS,
    WORDS,
    Refusals,
    Why,
    read_refused,
)


def test_every_reason_has_words_and_what_to_do() -> None:
    assert WORDS.keys() == ADVICE.keys() == set(Why)


def test_the_page_for_operators_names_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text("utf-8")
    assert [why.value for why in Why if f"`{why.value}`" not in page] == []


def test_the_busiest_block_of_each_reason_is_told() -> None:
    refusals = Refusals()
    for n in range(300):
        refusals.note(Why.UNKNOWN_RECIPIENT, f"203.0.113.{n % 200}")
    refusals.note(Why.UNKNOWN_RECIPIENT, "198.51.100.1")
    refusals.note(Why.PASSWORD, "2001:db8::1")
    first, second = read_refused(refusals.counters())
    assert (first.why, first.count) == (Why.UNKNOWN_RECIPIENT, 301.0)
    assert (first.block, first.block_count) == ("203.0.113.0/24", 300.0)
    assert (second.why, second.block) == (Why.PASSWORD, "2001:db8::/64")


def test_many_blocks_cost_bounded_memory_and_hide_no_busy_one() -> None:
    refusals = Refusals()
    for n in range(4 * MOST_BLOCKS):
        refusals.note(Why.UNKNOWN_RECIPIENT, f"10.{n >> 8 & 255}.{n & 255}.1")
        refusals.note(Why.UNKNOWN_RECIPIENT, "203.0.113.9")
    assert len(refusals.counters()) == 2
    assert len(refusals._by_block) <= MOST_BLOCKS
    (one,) = read_refused(refusals.counters())
    assert (one.block, one.block_count) == ("203.0.113.0/24", 4.0 * MOST_BLOCKS)


def test_reports_of_several_workers_add_up() -> None:
    name = COUNTER + Why.PASSWORD.value
    (one,) = read_refused({name: 9.0, f"{name}.from.a": 4.0, f"{name}.from.b": 5.0})
    assert (one.count, one.block, one.block_count) == (9.0, "b", 5.0)


def test_who_has_no_address_has_no_block() -> None:
    refusals = Refusals()
    refusals.note(Why.COMMAND, "")
    (one,) = read_refused(refusals.counters())
    assert one.block == ""


def test_who_is_counted_already_makes_nobody_be_forgotten() -> None:
    refusals = Refusals()
    for n in range(MOST_BLOCKS):
        refusals.note(Why.PASSWORD, f"10.{n // 256}.{n % 256}.1")
    for _ in range(3):
        refusals.note(Why.PASSWORD, "10.0.7.1")
    assert len(refusals._by_block) == MOST_BLOCKS
    (told,) = read_refused(refusals.counters())
    assert (told.block, told.block_count) == ("10.0.7.0/24", 4.0)
    refusals.note(Why.PASSWORD, "11.0.0.1")
    assert len(refusals._by_block) < MOST_BLOCKS
    (told,) = read_refused(refusals.counters())
    assert (told.block, told.block_count) == ("10.0.7.0/24", 4.0)
