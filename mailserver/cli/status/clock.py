"""What `status` says of the machine's clock, and of moments that lay out of bounds."""

from __future__ import annotations

from typing import Final

from mailserver.cli.moments import clock, gap_warning, span
from mailserver.values.clock import Belief

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
