"""What `status` says of the machine's clock, and of moments that lay out of bounds."""

from __future__ import annotations

from typing import Final

from mailserver.cli.moments import clock, span
from mailserver.values.clock import TOLERANCE_S, Belief

TOLD_S: Final = 7 * 86_400.0
"""A jump, or moments that were brought back, are told for so long."""


def clock_warnings(now: Belief) -> list[str]:
    """Nothing where the clock goes as it should."""
    told = []
    if now.stepped_at_s is not None and 0 <= now.wall_s - now.stepped_at_s < TOLD_S:
        way = "ahead" if now.step_s > 0 else "back"
        told.append(
            f"the machine's clock jumped {way} by {span(abs(now.step_s))}, to"
            f" {clock(now.stepped_at_s)}: let NTP or chrony keep it"
        )
    if (gap := gap_warning(now)) is not None:
        told.append(gap)
    if now.bounded_at_s is not None and 0 <= now.wall_s - now.bounded_at_s < TOLD_S:
        told.append(
            f"{now.bounded_count:,} stored moments lay further ahead than their rules allow"
            f" (a clock that was wrong), and were brought back at {clock(now.bounded_at_s)}"
        )
    return told


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
