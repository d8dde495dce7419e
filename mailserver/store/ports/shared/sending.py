"""What accounts sent elsewhere of late: may be lost, and never decides whether mail is kept.

Counted in slots of a quarter of a minute, so that minutes, hours and a day slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mailserver.values.ids import AccountId

SLOT_S: Final = 15
MINUTE_S: Final = 60
TEN_MINUTES_S: Final = 600
TEN_HOURS_S: Final = 36_000
HOUR_S: Final = 3600
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """This message included."""

    minute_recipients: int = 0
    ten_minutes_recipients: int = 0
    hour_recipients: int = 0
    ten_hours_recipients: int = 0
    hour_messages: int = 0
    day_messages: int = 0
    day_recipients: int = 0
    day_new_recipients: int = 0


class SentCounts(Protocol):
    def count_sent(
        self, account_id: AccountId, recipients: Sequence[str], *, meets: bool, now_s: float
    ) -> Sent:
        """Add one message, and read what there is.

        recipients: folded addresses.  meets: count those that it never wrote to.
        """
        ...

    def count_report(self, rewritten: str, *, now_s: float) -> int:
        """Add one report for an address that we rewrote, and read how many came in a day."""
        ...

    def begin_over_limit(self, account_id: AccountId, *, now_s: float) -> bool:
        """True for the first one only, until the account is released."""
        ...


class SentLedger(SentCounts, Protocol):
    def over_limit(self) -> dict[AccountId, float]:
        """Accounts over a limit, and since when."""
        ...

    def forget_sent(self, account_id: AccountId) -> None:
        """Released: its counts begin anew."""
        ...
