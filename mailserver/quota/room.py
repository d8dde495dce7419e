"""Is there room in a mailbox?  Octets and count, each against its own limit.

    used                    an ordinary message     a report, or for postmaster
    below the quota         yes, if it fits         yes
    up to the grace margin  not now (452 4.2.2)     yes
    from there on           no (552 5.2.2)          no (552 5.2.2)

"If it fits" counts what MAIL declared (RFC 1870); a message that is larger
than the whole quota will never fit.  A message that declared nothing may pass
the quota by its own size, once: the next one is told to wait.
"""

from __future__ import annotations

from enum import Enum

from mailserver.quota.classes import ClassLimits


class Room(Enum):
    YES = "yes"
    NOT_NOW = "not now"
    NO = "no"


def decide_room(
    limits: ClassLimits,
    *,
    used_octets: int,
    used_count: int,
    size_octets: int,
    is_lenient: bool,
) -> Room:
    """size_octets: as declared; 0: nothing was.  is_lenient: only the hard limit counts."""
    found = (
        _measure(used_octets, size_octets, limits.quota_octets, limits.hard_octets),
        _measure(used_count, 1, limits.quota_count, limits.hard_count),
    )
    if Room.NO in found:
        return Room.NO
    return Room.NOT_NOW if Room.NOT_NOW in found and not is_lenient else Room.YES


def _measure(used: int, added: int, quota: int, hard: int) -> Room:
    if quota <= 0:
        return Room.YES
    if used >= hard or added > quota:
        return Room.NO
    return Room.NOT_NOW if used >= quota or used + added > quota else Room.YES


def percent_used(limits: ClassLimits, *, used_octets: int, used_count: int) -> float | None:
    """Of the quota that is nearer to its end; None: there is no quota."""
    parts = [
        100 * used / quota
        for used, quota in ((used_octets, limits.quota_octets), (used_count, limits.quota_count))
        if quota > 0
    ]
    return max(parts, default=None)
