"""The same message for the same address outside, within an hour: sent on once; and no more of
others than the budget has (`budgets`).

Of mail that is forwarded only; other mail costs nothing here.  What comes again stays in
the mailbox of who forwards, whether or not it keeps copies, so nothing is lost; who has
left has no such place, and their mail goes on.

    the dot      which forwarded copies went within the hour, or are about to?   they stay
                 the others are claimed, in one step: of two at one instant one goes
    no commit    the claims end

So whoever tries again after a refusal is no repeat.  After a crash between the two, what comes
again within the hour stays in the mailbox.

A report for an address that we rewrote goes on once within a day (`same_report`); what comes
again has no mailbox here, so it is answered as the first was, and dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailserver.lists.sameness import Sameness
from mailserver.quota.staying import StayReason
from mailserver.store.ports.shared.repeats import DAY_S, RepeatMemory
from mailserver.values.message import NewCopy, Relay
from smtp_relay.inbound.message.header import HeaderBlock
from smtp_relay.inbound.transaction.budgets import ForwardBudget
from smtp_relay.inbound.transaction.policy import Onward
from smtp_relay.inbound.transaction.transaction import Transaction


class Passing:
    """What makes a message itself, fed beside the upload."""

    __slots__ = ("_header", "_octets", "_sameness")

    def __init__(self, header: HeaderBlock) -> None:
        """header: one that keeps what it sees."""
        self._header = header
        self._octets = 0
        self._sameness: Sameness | None = None

    def feed(self, octets: bytes) -> None:
        """The next octets of the message, which the header block has seen already."""
        begin = self._octets
        self._octets += len(octets)
        if self._sameness is None:
            if not self._header.is_complete:
                return
            self._sameness = Sameness(self._header.kept())
        self._sameness.feed(octets[max(self._header.octets - begin, 0) :])

    def end(self) -> None:
        """After the last octet, while the header block is still kept."""
        if self._sameness is None:
            self._sameness = Sameness(self._header.kept())

    @property
    def sameness(self) -> Sameness:
        """Once it has ended."""
        assert self._sameness is not None
        return self._sameness


@dataclass(slots=True)
class SentOn:
    """Of one message at its dot.

    source: of the message.  claimed: what goes on now.  fresh: reports, remembered once stored.
    """

    memory: RepeatMemory
    budget: ForwardBudget | None  # None: it stays for another reason, and costs none
    source: str = ""
    claimed: dict[int, bytes] = field(default_factory=dict)
    fresh: dict[int, bytes] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)

    def keep_back(self, transaction: Transaction, sameness: Sameness, *, now_s: float) -> None:
        """Copies that went before become deposits.  What it raises leaves no claim behind."""
        try:
            self._claim(transaction, sameness, now_s=now_s)
        except BaseException:
            self.not_stored()
            raise

    def _claim(self, transaction: Transaction, sameness: Sameness, *, now_s: float) -> None:
        for index, route in enumerate(list(transaction.routes)):
            if not isinstance(route, Onward):
                continue
            if route.is_report:  # none that came before: `same_report`
                self.fresh[index] = sameness.key_for(route.once)
            if not route.recipient or route.home is None:
                continue
            key = sameness.key_for(route.once)
            if self.memory.claim(key, self.source, now_s=now_s) != self.source:
                why = f"not sent on again to {route.recipient}: the same within an hour"
            elif self.budget is not None and not self.budget.take(route.holder):
                why = f"not sent on to {route.recipient}: too much within the hour"
                transaction.withhold(route, StayReason.TOO_MUCH)
                self.memory.release(key, self.source)
            else:
                self.claimed[index] = key
                continue
            transaction.routes[index] = route.home
            self.notes[index] = why
            self._keep_back_others(transaction, route.once)

    def same_report(self, transaction: Transaction, sameness: Sameness, *, now_s: float) -> str:
        """The name under which this report went within a day; empty: it is another one."""
        for route in transaction.routes:
            if isinstance(route, Onward) and route.is_report:
                return self.memory.recall(sameness.key_for(route.once), now_s=now_s, window_s=DAY_S)
        return ""

    def _keep_back_others(self, transaction: Transaction, once: str) -> None:
        """Those whose copy that one stood for have it at home, too."""
        repeats = transaction.repeats
        for recipient, route, wishes in [] if repeats is None else repeats.forwarded:
            if route.once == once and route.home is not None:
                transaction.rcpt_tos.append(recipient)
                transaction.routes.append(route.home)
                transaction.wishes.append(wishes)

    def note(self, copies: tuple[NewCopy, ...]) -> None:
        for index, words in self.notes.items():
            copies[index].note = words
        for index, key in list(self.claimed.items()):
            if not isinstance(copies[index].route, Relay):  # it stays for another reason
                self.memory.release(key, self.source)
                del self.claimed[index]

    def stored(self, *, now_s: float) -> None:
        """The message is on disk, and its copies on their way."""
        for key in self.fresh.values():
            self.memory.take(key, self.source, now_s=now_s)

    def not_stored(self) -> None:
        for key in self.claimed.values():
            self.memory.release(key, self.source)
