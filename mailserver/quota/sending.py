"""What an account sent elsewhere of late, against the limits of its class.

Counted in slots of five minutes, so an hour and a day slide.  What passes a
limit is accepted and held, copies for mailboxes here go through; it counts
like the rest, so a program that goes on stays over its limit until a person
releases the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mailserver.quota.classes import Limits

SLOT_S: Final = 300
HOUR_S: Final = 3600
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """This message included."""

    hour_messages: int = 0
    day_messages: int = 0
    day_recipients: int = 0
    day_new_recipients: int = 0


def held_prefix(identifier: str) -> str:
    """Begins the reason of every copy of this account that is held for its limits."""
    return f"sending limit of {identifier}: "


def why_held(limits: Limits, sent: Sent, *, identifier: str) -> str:
    """The reason, naming the first limit that is passed; empty: none is."""
    measured = (
        (sent.hour_messages, limits.sends_per_hour, "messages in an hour"),
        (sent.day_messages, limits.sends_per_day, "messages in a day"),
        (sent.day_recipients, limits.recipients_per_day, "recipients in a day"),
        (sent.day_new_recipients, limits.new_recipients_per_day, "new recipients in a day"),
    )
    if not limits.limits_sending:
        return ""
    for count, limit, what in measured:
        if 0 < limit < count:
            return f"{held_prefix(identifier)}{count} {what}, {limit} allowed"
    return ""
