"""How much useless talk a session may cost."""

from __future__ import annotations

import pytest

from mailserver.peers.patience import ERROR, TRIFLE, Patience, share_of


def asked(cost: int, *, max_errors: int) -> int:
    """How many of these a new session may cost until it is over."""
    patience, count = Patience(max_errors), 1
    while not patience.spend(cost):
        count += 1
    return count


def test_twenty_errors_or_a_hundred_trifles_end_a_session() -> None:
    """As Postfix has it (`smtpd_hard_error_limit`, `smtpd_junk_command_limit`)."""
    assert asked(ERROR, max_errors=20) == 20
    assert asked(TRIFLE, max_errors=20) == 100


@pytest.mark.parametrize(("max_errors", "most"), [(20, 20), (20, 3), (20, 100), (3, 7), (1, 1)])
def test_as_many_as_the_settings_say_and_no_more(max_errors: int, most: int) -> None:
    assert asked(share_of(max_errors, most), max_errors=max_errors) == most


def test_nothing_is_free_however_many_are_allowed() -> None:
    assert share_of(1, 10_000_000) == 1


def test_something_useful_forgives_all() -> None:
    patience = Patience(3)
    assert [patience.spend(ERROR) for _ in range(2)] == [False, False]
    patience.renew()
    assert [patience.spend(ERROR) for _ in range(3)] == [False, False, True]
