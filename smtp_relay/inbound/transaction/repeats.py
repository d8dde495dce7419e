"""A list, or an address outside that several forward to, gets one copy of a message.

    animateurs@, animateurs+1@ ... animateurs+30@     one list: one post
    a@ and b@, who both forward to c@example.org      one copy leaves; mailboxes keep theirs

What further recipients wish to hear of is asked of that copy, too: of all senders'
wishes the widest holds, and it is known under the name of whoever wants to hear most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.values.message import BETWEEN_NAMES, Deposit, NewCopy, Notify
from smtp_relay.inbound.grammar.parameters import RcptParameters
from smtp_relay.inbound.transaction.policy import Onward

if TYPE_CHECKING:
    from smtp_relay.inbound.transaction.reception import Transaction

_UNSAID_MEANS = Notify.FAILURE | Notify.DELAY


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
