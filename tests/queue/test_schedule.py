"""When a deferred copy is tried again, and when its sender hears of it."""

from __future__ import annotations

from itertools import accumulate

import pytest

from mailserver.queue.schedule import JITTER, Schedule
from mailserver.routing.relaying import make_schedule
from mailserver.settings.model import DeliverySettings

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
DEFAULT = make_schedule(DeliverySettings())
MIDDLE = 0.5  # of all chances: no jitter


def delay_s(attempt_count: int, *, chance: float = MIDDLE) -> float:
    return DEFAULT.next_try(attempt_count, now_s=1000.0, chance=chance) - 1000.0


def test_the_tries_are_those_that_are_promised() -> None:
    minutes = [delay_s(count) / MINUTE_S for count in range(1, 10)]
    assert minutes == pytest.approx([5, 10, 20, 40, 60, 120, 240, 240, 240])


def test_a_copy_is_tried_some_thirty_times_in_five_days() -> None:
    ages_s = accumulate(delay_s(count) for count in range(1, 100))
    within = [age_s for age_s in ages_s if age_s < DEFAULT.expires_at(0.0)]
    assert DEFAULT.expires_at(0.0) == 5 * DAY_S
    assert 30 <= len(within) <= 40


@pytest.mark.parametrize("attempt_count", [1, 4, 50])
def test_what_failed_together_does_not_return_together(attempt_count: int) -> None:
    middle_s = delay_s(attempt_count)
    assert delay_s(attempt_count, chance=0.0) == pytest.approx(middle_s * (1 - JITTER))
    assert delay_s(attempt_count, chance=0.999999) == pytest.approx(middle_s * (1 + JITTER), 1e-4)


@pytest.mark.parametrize(
    ("age_s", "next_age_s"),
    [
        (0.0, 2 * HOUR_S),
        (2 * HOUR_S - 1, 2 * HOUR_S),
        (2 * HOUR_S, DAY_S),
        (DAY_S, 5 * DAY_S),
        (9 * DAY_S, 5 * DAY_S),
    ],
)
def test_a_sender_hears_after_two_hours_a_day_and_at_the_end(
    age_s: float, next_age_s: float
) -> None:
    assert DEFAULT.next_tell(accepted_at_s=100.0, now_s=100.0 + age_s) == 100.0 + next_age_s


def test_a_notice_that_would_come_after_the_end_is_not_given() -> None:
    short = Schedule(retry_after_s=(60.0,), expire_after_s=HOUR_S, notice_after_s=(2 * HOUR_S,))
    assert short.next_tell(accepted_at_s=0.0, now_s=0.0) == HOUR_S
