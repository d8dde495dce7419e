"""From MX records to hosts in order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.routing.mx import (
    MAX_ADDRESSES,
    MAX_HOSTS,
    MxRecord,
    NullMx,
    cut_loop,
    order_addresses,
    order_hosts,
    parse_literal,
)


def names(records: list[tuple[int, str]], seed: int = 1) -> list[str]:
    ordered = order_hosts(records, shuffle=random.Random(seed).shuffle)
    assert not isinstance(ordered, NullMx)
    return [record.host for record in ordered]


def test_the_lowest_preference_comes_first() -> None:
    assert names([(20, "b."), (5, "a."), (30, "c.")]) == ["a", "b", "c"]


def test_equal_preferences_come_in_every_order() -> None:
    seen = {tuple(names([(10, "a."), (10, "b."), (20, "c.")], seed)) for seed in range(20)}
    assert seen == {("a", "b", "c"), ("b", "a", "c")}


def test_a_host_named_twice_keeps_its_best_place() -> None:
    assert names([(20, "A.test."), (10, "a.test."), (15, "b.test.")]) == ["a.test", "b.test"]


def test_the_root_alone_is_a_null_mx() -> None:
    assert isinstance(order_hosts([(0, ".")], shuffle=random.shuffle), NullMx)


def test_the_root_among_hosts_is_passed_over() -> None:
    assert names([(0, "."), (10, "a.")]) == ["a"]


@given(st.lists(st.tuples(st.integers(0, 65535), st.sampled_from("abcdefghijklmnopqrstuvwxyz"))))
def test_whatever_the_records_the_order_is_by_preference_and_bounded(
    records: list[tuple[int, str]],
) -> None:
    ordered = order_hosts([*records, (7, "z")], shuffle=random.shuffle)
    assert not isinstance(ordered, NullMx)
    preferences = [record.preference for record in ordered]
    assert preferences == sorted(preferences)
    assert len({record.host for record in ordered}) == len(ordered) <= MAX_HOSTS


HOSTS = (MxRecord(10, "a"), MxRecord(20, "b"), MxRecord(20, "c"), MxRecord(30, "d"))


@pytest.mark.parametrize(
    ("ours", "kept"),
    [
        (set(), "abcd"),
        ({"d"}, "abc"),
        ({"b"}, "a"),  # c is as far as we are
        ({"a"}, ""),
        ({"d", "b"}, "a"),
        ({"elsewhere"}, "abcd"),
    ],
)
def test_hosts_no_nearer_than_we_are_are_cut(ours: set[str], kept: str) -> None:
    assert "".join(record.host for record in cut_loop(HOSTS, ours)) == kept


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("both", ("2001:db8::1", "192.0.2.1", "192.0.2.2")),
        ("ipv4", ("192.0.2.1", "192.0.2.2")),
        ("ipv6", ("2001:db8::1",)),
    ],
)
def test_families_take_turns_where_both_are_wanted(choice: str, expected: tuple[str, ...]) -> None:
    four, six = ["192.0.2.1", "192.0.2.2"], ["2001:db8::1"]
    assert order_addresses(four, six, choice=choice) == expected  # type: ignore[arg-type]


def test_addresses_are_bounded_and_neither_family_is_starved() -> None:
    four = [f"192.0.2.{n}" for n in range(50)]
    six = [f"2001:db8::{n}" for n in range(50)]
    found = order_addresses(four, six, choice="both")
    assert len(found) == MAX_ADDRESSES
    assert sum(":" in one for one in found) == MAX_ADDRESSES // 2


@pytest.mark.parametrize(
    ("next_hop", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
        ("[ipv6:::1]", "::1"),
        ("a.test", None),
    ],
)
def test_literals_are_read(next_hop: str, address: str | None) -> None:
    assert parse_literal(next_hop) == address


@pytest.mark.parametrize("next_hop", ["[192.0.2.1", "[a.test]", "[IPv6:192.0.2.1]", "[]"])
def test_what_is_no_literal_is_refused(next_hop: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_literal(next_hop)
