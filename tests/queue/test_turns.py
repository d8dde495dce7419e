"""Turns order first tries: one's own ascend, a newcomer's is now."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.queue.turns import HORIZON_S, TURN_S, Turns, turn_key

_STEPS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.floats(min_value=0, max_value=50)), max_size=200
)


@given(_STEPS)
def test_the_turns_of_one_sender_ascend_and_lie_between_now_and_the_horizon(
    steps: list[tuple[str, float]],
) -> None:
    turns, now_s = Turns(), 1000.0
    taken: dict[str, list[float]] = {}
    for sender, pause_s in steps:
        now_s += pause_s
        turn_s = turns.take(sender, now_s=now_s)
        assert now_s <= turn_s <= now_s + HORIZON_S
        taken.setdefault(sender, []).append(turn_s)
    for series in taken.values():
        assert all(later >= earlier + TURN_S for earlier, later in pairwise(series))


@given(_STEPS, st.integers(1, 4))
def test_a_new_sender_has_its_turn_now_whatever_the_others_sent(
    steps: list[tuple[str, float]], max_senders: int
) -> None:
    turns, now_s = Turns(max_senders=max_senders), 0.0
    for sender, pause_s in steps:
        now_s += pause_s
        turns.take(sender, now_s=now_s)
        assert len(turns) <= max_senders
    assert turns.take("newcomer", now_s=now_s) == now_s


def test_a_letter_comes_before_the_rest_of_a_mass_mailing() -> None:
    turns = Turns()
    mailing = [turns.take("mailer", now_s=100.0) for _ in range(1000)]
    letter = turns.take("person", now_s=102.0)
    assert sum(turn_s < letter for turn_s in mailing) == 2


def test_many_messages_of_one_recipient_are_a_mass_mailing_too() -> None:
    turns = Turns()
    mailing = [turns.take("mailer", now_s=100.0 + 0.01 * number) for number in range(500)]
    assert turns.take("person", now_s=105.0) < mailing[100]


def test_no_turn_lies_beyond_the_horizon_and_order_is_kept_there() -> None:
    turns = Turns()
    mailing = [turns.take("mailer", now_s=0.0) for _ in range(10_000)]
    assert mailing[-1] == HORIZON_S
    assert mailing == sorted(mailing)


def test_senders_whose_clock_has_passed_are_forgotten_first() -> None:
    turns = Turns(max_senders=3)
    turns.take("old", now_s=0.0)
    for _ in range(3):
        turns.take("busy", now_s=10.0)
    turns.take("third", now_s=10.0)
    turns.take("fourth", now_s=10.5)
    assert turns.take("busy", now_s=10.5) == 13.0


@pytest.mark.parametrize(
    ("account_id", "reverse_path", "key"),
    [
        (7, "a@b.fr", "account 7"),
        (None, "A@b.fr", "sender a@b.fr"),
        (None, "", "peer 192.0.2.7"),
    ],
)
def test_the_sender_is_the_account_else_the_reverse_path_else_the_peer(
    account_id: int | None, reverse_path: str, key: str
) -> None:
    assert turn_key(account_id=account_id, reverse_path=reverse_path, peer="192.0.2.7") == key


def test_a_clock_that_was_ahead_and_came_back_puts_nobody_last() -> None:
    turns = Turns()
    turns.take("mailer", now_s=63e6)
    assert turns.take("mailer", now_s=100.0) == 100.0
    assert turns.take("mailer", now_s=100.0) == 100.0 + TURN_S
