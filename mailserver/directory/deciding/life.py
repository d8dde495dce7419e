"""From the dates of an import to a state of life.

| what the dates say, at `now_s`       | life     | until                     |
| ------------------------------------ | -------- | ------------------------- |
| the end was longer ago than `left_s` | gone     | -                         |
| the end has passed                   | left     | the end and `left_s`      |
| the arrival is to come               | expected | the arrival               |
| there is an end to come              | leaving  | the end                   |
| on leave                             | on_leave | after its last day, if known |
| otherwise                            | present  | -                         |

The end is the earlier of departure and retirement, whose days are the last ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mailserver.directory.reading.cells import Absence
from mailserver.store.ports.people import Life
from mailserver.values.calendar import Calendar

SERVING = frozenset({Life.PRESENT, Life.ON_LEAVE, Life.LEAVING})
"""Those who sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    arrival: date | None = None
    departure: date | None = None
    retirement: date | None = None
    leave: Absence | None = None

    def end_s(self, calendar: Calendar) -> float | None:
        """The first moment of which they are no longer part."""
        ends = [day for day in (self.departure, self.retirement) if day is not None]
        return calendar.after(min(ends)) if ends else None


def decide_life(
    dates: Dates, *, calendar: Calendar, now_s: float, left_s: float
) -> tuple[Life, float | None]:
    """(the state, when its next step is due).  calendar: whose days the dates are."""
    end_s = dates.end_s(calendar)
    if end_s is not None and end_s <= now_s:
        return leave(end_s, now_s=now_s, left_s=left_s)
    if dates.arrival is not None and calendar.begin(dates.arrival) > now_s:
        return Life.EXPECTED, calendar.begin(dates.arrival)
    if end_s is not None:
        return Life.LEAVING, end_s
    if dates.leave is not None:
        until_s = None if dates.leave.last is None else calendar.after(dates.leave.last)
        if until_s is None or until_s > now_s:
            return Life.ON_LEAVE, until_s
    return Life.PRESENT, None


def leave(end_s: float, *, now_s: float, left_s: float) -> tuple[Life, float | None]:
    """What someone is who was no longer there from `end_s` on."""
    until_s = end_s + left_s
    return (Life.LEFT, until_s) if until_s > now_s else (Life.GONE, None)
