"""One transaction, from MAIL to the answer after the dot: who sends, to whom, and the data.

A list, or an address outside that several forward to, gets one copy of a message:

    animateurs@, animateurs+1@ ... animateurs+30@     one list: one post
    a@ and b@, who both forward to c@example.org      one copy leaves; mailboxes keep theirs

What further recipients wish to hear of is asked of that copy, too: of all senders'
wishes the widest holds, and it is known under the name of whoever wants to hear most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from aiosmtpd.smtp import Envelope

from mailserver.quota.staying import StayReason
from mailserver.values.address import Address
from mailserver.values.message import BETWEEN_NAMES, Deposit, NewCopy, Notify
from smtp_relay.inbound.grammar.parameters import MailParameters, RcptParameters
from smtp_relay.inbound.grammar.paths import Path
from smtp_relay.inbound.transaction.policy import Onward
from smtp_relay.inbound.transaction.staying import Stay

_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_UNSAID_MEANS = Notify.FAILURE | Notify.DELAY


@dataclass(frozen=True, slots=True)
class Forwarding:
    """A recipient whose mail goes on.

    mark: of the mailbox, for the header field that ends circles.
    """

    onward: Onward | Deposit
    keep: Deposit | None
    mark: str


class Discarded(Protocol):
    """What of a message can be thrown away."""

    def discard(self) -> None: ...


class Transaction(Envelope):
    """aiosmtpd's envelope, with what MAIL and RCPT decided: owns sender, recipients, and the data.

    reception: of the message while it comes; None before DATA and after the dot.
    """

    def __init__(self, path: Path, parameters: MailParameters) -> None:
        self.mail_from = path.text
        self.mail_options: list[str] = []
        self.smtp_utf8 = parameters.smtputf8
        self.content = None
        self.original_content = None
        self.rcpt_tos: list[str] = []
        self.rcpt_options: list[str] = []
        self.sender: Address | None = path.address
        self.return_content = parameters.return_content
        self.envelope_id = parameters.envelope_id
        self.size_octets = parameters.size_octets
        self.routes: list[Deposit | Onward] = []
        self.wishes: list[RcptParameters] = []
        self.recipient_count = 0
        self.has_onward = False
        self.has_report = False
        self.marks: tuple[str, ...] = ()  # of those whose mail goes on
        self.repeats: Repeats | None = None
        self.reception: Discarded | None = None
        self.stays: list[Stay] = []  # forwards that withheld it

    def add(self, recipient: str, route: Deposit | Onward, wishes: RcptParameters) -> None:
        """One more recipient, accepted; a list or forward target that is there has its copy."""
        self.recipient_count += 1
        if type(route) is Onward:
            self.has_onward = True
            self.has_report = route.is_report
            if route.once and self._is_repeat(recipient, route, wishes):
                return
        self.rcpt_tos.append(recipient)
        self.routes.append(route)
        self.wishes.append(wishes)

    def withhold(self, route: Onward, why: StayReason) -> None:
        """It stays in the mailbox of who has it sent on."""
        if route.holder is not None:
            self.stays.append(Stay(route.holder, why))

    def _is_repeat(self, recipient: str, route: Onward, wishes: RcptParameters) -> bool:
        if self.repeats is None:
            self.repeats = Repeats()
        return self.repeats.merge(self, recipient, route, wishes)

    def forward(self, recipient: str, forwarding: Forwarding, wishes: RcptParameters) -> None:
        """One more recipient, whose copy goes on; a second copy stays, if it is kept."""
        keep = forwarding.keep
        self.marks += (forwarding.mark,)
        onward = wishes_onward(wishes, recipient, is_kept=keep is not None)
        self.add(recipient, forwarding.onward, onward)
        if keep is not None:
            self.add(recipient, keep, wishes)
            self.recipient_count -= 1

    def drop(self) -> None:
        """Nobody wants it any more; what was handed to the store is not touched."""
        reception, self.reception = self.reception, None
        if reception is not None:
            reception.discard()


class Repeats:
    """Of one transaction; made with its first recipient that counts once.

    forwarded: recipients whose copy another one's stands for, each as it would have been.
    """

    __slots__ = ("_counts", "_first", "forwarded")

    def __init__(self) -> None:
        self._first: dict[str, int] = {}  # by `Onward.once`: where it stands in the transaction
        self._counts: dict[int, int] = {}
        self.forwarded: list[tuple[str, Onward, RcptParameters]] = []

    def merge(
        self, transaction: Transaction, recipient: str, route: Onward, wishes: RcptParameters
    ) -> bool:
        """Does an earlier recipient's copy stand for this one?  Else it is the first."""
        index = self._first.setdefault(route.once, len(transaction.routes))
        if index == len(transaction.routes):
            return False
        self._counts[index] = self._counts.get(index, 1) + 1
        before = transaction.wishes[index]
        if route.recipient:
            self._give_way(transaction, index, (recipient, route, wishes))
        transaction.wishes[index] = RcptParameters(
            notify=widest(before.notify, wishes.notify),
            original_recipient=transaction.wishes[index].original_recipient
            or wishes.original_recipient,
        )
        return True

    def _give_way(
        self, transaction: Transaction, index: int, newer: tuple[str, Onward, RcptParameters]
    ) -> None:
        """Senders hear of a copy by one name: of somebody whose mailbox has no copy."""
        older = transaction.routes[index]
        assert isinstance(older, Onward)
        wishes = transaction.wishes[index]
        if wishes.notify is Notify.NEVER and newer[2].notify is not Notify.NEVER:
            self.forwarded.append((transaction.rcpt_tos[index], older, wishes))
            transaction.rcpt_tos[index], transaction.routes[index], kept = newer
            transaction.wishes[index] = kept
        else:
            self.forwarded.append(newer)

    def note(self, transaction: Transaction, copies: tuple[NewCopy, ...]) -> None:
        """A line in the journey of each copy that stands for several, and all whom it is for."""
        for index, count in self._counts.items():
            copy = copies[index]
            if not isinstance(copy.route, Deposit):
                copy.note = f"stands for {count} recipients of this transaction"
                self._name_all(transaction, index, copy)

    def _name_all(self, transaction: Transaction, index: int, copy: NewCopy) -> None:
        """Its sender hears of everybody whose mail it was, unless a mailbox has that, too.

        Where one of them hides where their mail goes on to, it is hidden.
        """
        route = transaction.routes[index]
        if not isinstance(route, Onward) or not route.recipient:
            return
        others = [one for one in self.forwarded if one[1].once == route.once]
        if not (route.is_private or any(other.is_private for _, other, _ in others)):
            return
        told = [name for name, _, wishes in others if wishes.notify is not Notify.NEVER]
        copy.told_as = BETWEEN_NAMES.join(dict.fromkeys([transaction.rcpt_tos[index], *told]))


def widest(one: Notify, other: Notify) -> Notify:
    """What two wishes about one copy come to."""
    if one == other or other is Notify.NEVER:
        return one
    if one is Notify.NEVER:
        return other
    return (one or _UNSAID_MEANS) | (other or _UNSAID_MEANS)


def wishes_onward(wishes: RcptParameters, recipient: str, *, is_kept: bool) -> RcptParameters:
    """What is asked of a forwarded copy: nothing where a mailbox of ours has one already.

    RFC 3461 §5.2.1: ORCPT names who the sender wrote to.
    """
    original = wishes.original_recipient
    if not original and recipient.isascii():
        original = "rfc822;" + _NOT_XTEXT.sub(lambda one: f"+{ord(one[0]):02X}", recipient)
    return RcptParameters(
        notify=Notify.NEVER if is_kept else wishes.notify, original_recipient=original
    )
