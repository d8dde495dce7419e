"""Statements of many rows: how many rows each one has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.sql.dialect import LARGEST, SMALL, sizes


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0, []),
        (1, [1]),
        (SMALL, [SMALL]),
        (SMALL + 1, [32, 1]),
        (100, [64, 32, 4]),
        (300, [128, 128, 32, 12]),
    ],
)
def test_what_is_left_is_one_statement(total: int, expected: list[int]) -> None:
    assert list(sizes(total, LARGEST)) == expected


@given(total=st.integers(0, 5_000), largest=st.sampled_from([32, 64, LARGEST]))
def test_all_rows_are_in_one(total: int, largest: int) -> None:
    found = list(sizes(total, largest))
    assert sum(found) == total
    assert all(0 < size <= largest for size in found)
