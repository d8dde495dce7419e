"""Where the power is cut."""

from __future__ import annotations

import random

import pytest

from tests.powercut.cuts import OneOfEach


@pytest.mark.parametrize("seed", range(20))
def test_one_of_each_stride_is_chosen_whatever_chance_says(seed: int) -> None:
    chosen = OneOfEach(5, random.Random(seed))
    assert [sum(chosen.is_next() for _ in range(5)) for _ in range(8)] == [1] * 8


def test_no_stride_chooses_nothing() -> None:
    never = OneOfEach(0, random.Random(1))
    assert not any(never.is_next() for _ in range(50))
