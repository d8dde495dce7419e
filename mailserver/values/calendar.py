"""Days of a time zone, and the moments at which they begin and end.

A day that a person writes (the last one of a post, the end of a leave) is a day of the
service: `service.time_zone`.  Where its midnight does not exist, because clocks go
forward at that moment, the day begins with the first moment that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from mailserver.values.moments import local_time, zone_named

_DAY: Final = timedelta(days=1)
_SLACK_S: Final = 7200.0
"""What is counted in seconds from a midnight (90 days) ends an hour beside one where clocks change;
days that were stored as those of UTC end two hours beside one of France."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """zone: an IANA name, as Europe/Paris; empty: as the machine is set."""

    zone: str

    def begin(self, day: date) -> float:
        """The first moment of a day, in Unix time."""
        zone = zone_named(self.zone)
        return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()

    def after(self, day: date) -> float:
        """The first moment after a day: who leaves on that day is there on it."""
        return self.begin(day + _DAY)

    def day_of(self, at_s: float) -> date:
        return local_time(at_s, self.zone).date()

    def last_day(self, until_s: float) -> date:
        """The last whole day of what ends at a moment: people read "until" with that day."""
        return self.day_of(until_s - _SLACK_S - 1)

    def begins_day(self, at_s: float) -> bool:
        """Is it midnight, as what `after` returns is?"""
        return self.begin(self.day_of(at_s)) == at_s


UTC_DAYS: Final = Calendar("UTC")
