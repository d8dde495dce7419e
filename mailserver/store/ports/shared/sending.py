"""What accounts sent elsewhere of late: may be lost, and never decides whether mail is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailserver.quota.sending import Sent
from mailserver.values.ids import AccountId


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
