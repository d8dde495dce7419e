"""Classes of accounts: what each may keep and send, and whether a mailbox has room.

An account names its class, or none: then `default` holds, as it does for a
class that the settings do not have.  0 means no limit.

Room is of octets and of messages, each against its own limit:

    used                    an ordinary message     a report, or for postmaster
    below the quota         yes, if it fits         yes
    up to the grace margin  not now (452 4.2.2)     yes
    from there on           no (552 5.2.2)          no (552 5.2.2)

"If it fits" counts what MAIL declared (RFC 1870); a message that is larger
than the whole quota will never fit.  A message that declared nothing may pass
the quota by its own size, once: the next one is told to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Final

from mailserver.settings.model import MIB, ClassSettings

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLimits:
    """Of one class.

    hard_octets, hard_count: where "not now" becomes "no": the quota and its grace margin.
    """

    name: str
    quota_octets: int = 0
    quota_count: int = 0
    hard_octets: int = 0
    hard_count: int = 0
    recipients_per_minute: int = 0
    recipients_per_10_minutes: int = 0
    recipients_per_hour: int = 0
    recipients_per_10_hours: int = 0
    sends_per_hour: int = 0
    sends_per_day: int = 0
    recipients_per_day: int = 0
    new_recipients_per_day: int = 0
    is_bulk: bool = False

    @property
    def has_quota(self) -> bool:
        return self.quota_octets > 0 or self.quota_count > 0

    @property
    def limits_sending(self) -> bool:
        """Must what this account sends be counted?"""
        counted = (
            self.recipients_per_minute,
            self.recipients_per_10_minutes,
            self.recipients_per_hour,
            self.recipients_per_10_hours,
            self.sends_per_hour,
            self.sends_per_day,
            self.recipients_per_day,
            self.new_recipients_per_day,
        )
        return not self.is_bulk and any(counted)


class Classes:
    """The classes of the settings, by name."""

    __slots__ = ("_by_name", "_default")

    def __init__(self, settings: Sequence[ClassSettings], *, grace_percent: float) -> None:
        """grace_percent: of the quota, at least 100: what is below it is told to try again."""
        self._by_name = {one.name: _limits(one, grace_percent) for one in settings}
        plain = _limits(ClassSettings(name=DEFAULT), grace_percent)
        self._default = self._by_name.setdefault(DEFAULT, plain)

    @property
    def has_quotas(self) -> bool:
        """Has any class one?"""
        return any(limits.has_quota for limits in self._by_name.values())

    def of(self, class_name: str) -> ClassLimits:
        return self._by_name.get(class_name, self._default)


def _limits(one: ClassSettings, grace_percent: float) -> ClassLimits:
    quota_octets = int(one.quota_mib * MIB)
    return ClassLimits(
        name=one.name,
        quota_octets=quota_octets,
        quota_count=one.quota_messages,
        hard_octets=int(quota_octets * grace_percent / 100),
        hard_count=ceil(one.quota_messages * grace_percent / 100),
        recipients_per_minute=one.recipients_per_minute,
        recipients_per_10_minutes=one.recipients_per_10_minutes,
        recipients_per_hour=one.recipients_per_hour,
        recipients_per_10_hours=one.recipients_per_10_hours,
        sends_per_hour=one.sends_per_hour,
        sends_per_day=one.sends_per_day,
        recipients_per_day=one.recipients_per_day,
        new_recipients_per_day=one.new_recipients_per_day,
        is_bulk=one.bulk,
    )


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
