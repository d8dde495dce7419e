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
from datetime import UTC, date, datetime

from mailserver.directory.cells import Absence, after, begin
from mailserver.store.ports.people import Life

SERVING = frozenset({Life.PRESENT, Life.ON_LEAVE, Life.LEAVING})
"""Those who sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    arrival: date | None = None
    departure: date | None = None
    retirement: date | None = None
    leave: Absence | None = None

    @property
    def end_s(self) -> float | None:
        """The first moment of which they are no longer part."""
        ends = [after(day) for day in (self.departure, self.retirement) if day is not None]
        return min(ends, default=None)


def decide_life(dates: Dates, *, now_s: float, left_s: float) -> tuple[Life, float | None]:
    """(the state, when its next step is due)."""
    end_s = dates.end_s
    if end_s is not None and end_s <= now_s:
        return leave(end_s, now_s=now_s, left_s=left_s)
    if dates.arrival is not None and begin(dates.arrival) > now_s:
        return Life.EXPECTED, begin(dates.arrival)
    if end_s is not None:
        return Life.LEAVING, end_s
    absence = dates.leave
    if absence is not None and (absence.until_s is None or absence.until_s > now_s):
        return Life.ON_LEAVE, absence.until_s
    return Life.PRESENT, None


def last_day(until_s: float) -> str:
    """The last day of what ends at a moment, as 2026-12-31: people read `until` with that day."""
    return datetime.fromtimestamp(until_s - 1, UTC).date().isoformat()


def leave(end_s: float, *, now_s: float, left_s: float) -> tuple[Life, float | None]:
    """What someone is who was no longer there from `end_s` on."""
    until_s = end_s + left_s
    return (Life.LEFT, until_s) if until_s > now_s else (Life.GONE, None)
