"""What an account sent elsewhere of late, against the limits of its class.

What passes a limit is accepted and held, copies for mailboxes here go through; it counts
like the rest, so a program that goes on stays over its limit until a person releases
the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from mailserver.quota.classes import ClassLimits
from mailserver.store.ports.shared.sending import Sent
from mailserver.texts.catalogue import Language, Text

HELD_PREFIX: Final = "sending limit of "
"""Begins the reason of every copy that is held for its account's limits."""


class SentCount(Enum):
    """What is limited, as a person reads it."""

    MINUTE_RECIPIENTS = Text("destinataires en une minute", "recipients in a minute")
    TEN_MINUTES_RECIPIENTS = Text("destinataires en dix minutes", "recipients in ten minutes")
    HOUR_RECIPIENTS = Text("destinataires en une heure", "recipients in an hour")
    TEN_HOURS_RECIPIENTS = Text("destinataires en dix heures", "recipients in ten hours")
    HOUR_MESSAGES = Text("messages en une heure", "messages in an hour")
    DAY_MESSAGES = Text("messages en un jour", "messages in a day")
    DAY_RECIPIENTS = Text("destinataires en un jour", "recipients in a day")
    DAY_NEW_RECIPIENTS = Text("nouveaux destinataires en un jour", "new recipients in a day")


_PASSED = Text("{count} {what}, {limit} permis", "{count} {what}, {limit} allowed")


@dataclass(frozen=True, slots=True)
class Passed:
    """The first limit that is passed."""

    what: SentCount
    count: int
    limit: int

    def words(self, language: Language) -> str:
        what = self.what.value.in_language(language)
        return _PASSED.in_language(language).format(count=self.count, what=what, limit=self.limit)


def decide_held(limits: ClassLimits, sent: Sent) -> Passed | None:
    """None: what this account sends now may leave."""
    measured = (
        (SentCount.MINUTE_RECIPIENTS, sent.minute_recipients, limits.recipients_per_minute),
        (
            SentCount.TEN_MINUTES_RECIPIENTS,
            sent.ten_minutes_recipients,
            limits.recipients_per_10_minutes,
        ),
        (SentCount.HOUR_RECIPIENTS, sent.hour_recipients, limits.recipients_per_hour),
        (SentCount.TEN_HOURS_RECIPIENTS, sent.ten_hours_recipients, limits.recipients_per_10_hours),
        (SentCount.HOUR_MESSAGES, sent.hour_messages, limits.sends_per_hour),
        (SentCount.DAY_MESSAGES, sent.day_messages, limits.sends_per_day),
        (SentCount.DAY_RECIPIENTS, sent.day_recipients, limits.recipients_per_day),
        (SentCount.DAY_NEW_RECIPIENTS, sent.day_new_recipients, limits.new_recipients_per_day),
    )
    if not limits.limits_sending:
        return None
    return next((Passed(*one) for one in measured if 0 < one[2] < one[1]), None)


def why_held(passed: Passed, *, identifier: str) -> str:
    """The reason of the copies that are held, for the queue and for journeys."""
    return f"{HELD_PREFIX}{identifier}: {passed.words('en')}"
