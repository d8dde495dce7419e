"""Times and durations as people read and type them.  All times are UTC, as in trace headers;
a day without a time is one of the service's time zone."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailserver.values.calendar import Calendar

from mailserver.values.clock import TOLERANCE_S, Belief

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ENDLESS_S: Final = 4_000_000_000.0  # the year 2096
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


def clock(at_s: float) -> str:
    """`2026-11-24 04:20:11Z`."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(at_s: float | None) -> str | None:
    """For programs: `2026-11-24T04:20:11Z`; None and the end of time are None."""
    if at_s is None or at_s >= _ENDLESS_S:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def until(at_s: float) -> str:
    """How long a suspension lasts."""
    return "until it is resumed" if at_s >= _ENDLESS_S else f"until {clock(at_s)}"


def parse_duration(text: str) -> float:
    """`30m`, `2h`, `1d`: seconds.

    Raises:
        ValueError: it is none; the text says what to write.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is not a duration: write one, as 30m, 2h or 1d")
    return float(int(found[1]) * _UNITS_S[found[2]])


def parse_moment(text: str, *, now_s: float, calendar: Calendar) -> float:
    """`2h` ago, `2026-11-24`, `2026-11-24 08:30`, `2026-11-24T08:30:00Z`: Unix time.

    A day alone is one of the calendar, from its beginning; a time of day is UTC, as it is shown.

    Raises:
        ValueError: it is none; the text says what to write.
    """
    if _DURATION.fullmatch(text.strip().lower()):
        return now_s - parse_duration(text)
    try:
        if _DAY.fullmatch(text.strip()):
            return calendar.begin(date.fromisoformat(text.strip()))
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment: write one, as 2h, 2026-11-24, or '2026-11-24 08:30'"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def span(seconds: float) -> str:
    """Roughly how long: `45 s`, `12 min`, `3 h`, `2 d`."""
    if seconds < 60:
        return f"{max(0, math.ceil(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    if seconds < 86_400:
        return f"{seconds / 3600:.1f} h".replace(".0", "")
    return f"{seconds / 86_400:.1f} d".replace(".0", "")


def gap_warning(now: Belief) -> str | None:
    """None where the machine's clock is believed, or nearly so."""
    believed_from_s = now.believed_from_s
    if believed_from_s is None or abs(now.gap_s) <= 6 * TOLERANCE_S:
        return None
    way = "ahead of" if now.gap_s > 0 else "behind"
    return (
        f"the clock is {span(abs(now.gap_s))} {way} the time that this service saw pass: nothing"
        f" expires by it before {clock(believed_from_s)}; if it is wrong, set it"
    )
