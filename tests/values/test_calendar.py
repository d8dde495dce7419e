"""Days of a time zone as moments, and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.calendar import UTC_DAYS, Calendar

PARIS = Calendar("Europe/Paris")
ZONES = ["UTC", "Europe/Paris", "Pacific/Noumea", "America/Cayenne", "Africa/Cairo"]
DAY_S = 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def test_a_day_begins_at_midnight_where_the_service_is() -> None:
    assert PARIS.begin(date(2026, 12, 31)) == at("2026-12-30T23:00Z")
    assert PARIS.after(date(2026, 7, 14)) == at("2026-07-14T22:00Z")
    assert UTC_DAYS.begin(date(2026, 12, 31)) == at("2026-12-31T00:00Z")


def test_a_day_whose_midnight_does_not_exist_begins_with_the_first_moment_that_does() -> None:
    cairo = Calendar("Africa/Cairo")
    begin_s = cairo.begin(date(2026, 4, 24))  # clocks go from 0:00 to 1:00
    assert cairo.day_of(begin_s) == date(2026, 4, 24)
    assert cairo.day_of(begin_s - 1) == date(2026, 4, 23)
    assert cairo.begins_day(begin_s)


@given(
    day=st.dates(date(2000, 1, 1), date(2037, 12, 30)),
    zone=st.sampled_from(ZONES),
)
def test_whatever_the_day_it_lasts_from_its_beginning_to_that_of_the_next(
    day: date, zone: str
) -> None:
    calendar = Calendar(zone)
    begin_s, after_s = calendar.begin(day), calendar.after(day)
    assert calendar.day_of(begin_s) == calendar.day_of(after_s - 1) == day
    assert calendar.last_day(after_s) == day
    assert calendar.begins_day(after_s)
    assert calendar.day_of(after_s) == day + timedelta(days=1)


@pytest.mark.parametrize("days", [90, 180])
def test_the_last_day_is_the_same_where_clocks_change_meanwhile(days: int) -> None:
    for begin in (date(2026, 12, 31), date(2026, 8, 31)):
        until_s = PARIS.after(begin) + days * DAY_S
        assert PARIS.last_day(until_s) == begin + timedelta(days=days)


def test_a_last_day_that_was_stored_as_one_of_utc_is_still_told_as_such_in_france() -> None:
    for day in (date(2026, 12, 31), date(2026, 7, 14)):
        assert PARIS.last_day(UTC_DAYS.after(day)) == day
