"""Codes on paper: capitals that no one confuses, read with patience."""

from __future__ import annotations

import secrets

import pytest

from mailserver.auth.passwords import candidates
from mailserver.values.text.printed import PRINTED, print_groups, read_one_time


@pytest.mark.parametrize("pair", ["0O", "1I", "1L", "IL", "2Z", "5S", "8B", "UV", "0Q0O"])
def test_at_most_one_of_two_that_look_alike_is_printed(pair: str) -> None:
    assert len(set(pair) & set(PRINTED)) <= 1


def test_what_is_printed_is_capitals_and_digits_in_groups() -> None:
    code = print_groups(secrets.choice, groups=3)
    assert code == code.upper()
    assert [len(group) for group in code.split("-")] == [4, 4, 4]
    assert set(code) <= {*PRINTED, "-"}


@pytest.mark.parametrize(
    "typed",
    [
        *("K7MH-3XQD-AC9T", "k7mh-3xqd-ac9t", "K7MH3XQDAC9T", " K7MH 3XQD – AC9T "),
        *("K7MH-3XQD-AC9T".replace("-", "_"), "K7MH.3XQD.AC9T"),
    ],
)
def test_a_one_time_password_is_read_however_it_is_typed(typed: str) -> None:
    assert read_one_time(typed) == "K7MH-3XQD-AC9T"
    assert candidates(typed.encode())[-1] == "K7MH-3XQD-AC9T"


def test_a_letter_that_is_never_printed_is_what_it_looks_like() -> None:
    assert read_one_time("B7MH-SXQD-ZU9T") == "87MH-5XQD-2V9T"


@pytest.mark.parametrize("typed", ["", "K7MH", "K7MH-3XQD-AC9O", "un mot de passe", "é" * 12])
def test_another_password_is_none(typed: str) -> None:
    assert read_one_time(typed) is None
    assert candidates(typed.encode()) == [typed]


def test_what_was_printed_in_small_letters_before_still_opens() -> None:
    assert candidates(b"k7mh-3xqd-ab9z")[0] == "k7mh-3xqd-ab9z"
