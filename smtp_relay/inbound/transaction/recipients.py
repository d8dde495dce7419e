"""RCPT, once its path is read: who is meant, and what becomes of the copy.

    found in the directory    its life, its quota, its forwarding
    an SRS address of ours    a report, on its way back to who sent a forwarded copy
    nobody, or elsewhere      the relay's rules (`policy.decide_rcpt`)

One read of the store for most recipients, and one decision in a session for all
recipients of one domain elsewhere, or one for each sender where a rule asks who sends.
"""

from __future__ import annotations

from dataclasses import replace

from mailserver.auth.gate import Granted
from mailserver.lists.addresses import ListPurpose, next_hop_of, purpose_of
from mailserver.lists.posting import (
    Permission,
    Sender,
    decide_post,
    is_asked_of_a_moderator,
)
from mailserver.people.uai import BadUai, find_code
from mailserver.quota.classes import Room, decide_room
from mailserver.quota.staying import StayReason
from mailserver.routing.local import (
    ALWAYS_DELIVERABLE,
    Elsewhere,
    Misplaced,
    Unknown,
    at_home,
    find_local,
)
from mailserver.routing.relaying import Asker, Relaying, RelayPlace, decide_relaying
from mailserver.routing.srs import is_rewritten
from mailserver.store.ports.people import Life
from mailserver.store.ports.targets import Target
from mailserver.values.address import Address, fold_domain, fold_local, split_plus
from mailserver.values.ids import ListId
from mailserver.values.message import Deposit
from smtp_relay.inbound import replies
from smtp_relay.inbound.grammar.paths import Path
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.service import Service
from smtp_relay.inbound.transaction.budgets import ForwardBudget, ListBudget
from smtp_relay.inbound.transaction.policy import Onward, RefusedByRule, Sending, decide_rcpt
from smtp_relay.inbound.transaction.staying import Stay
from smtp_relay.inbound.transaction.transaction import Forwarding, Transaction

Decision = Deposit | Onward | Forwarding | RefusedByRule | Phrase


class Recipients:
    """Decides for one session, from EHLO or sign-in on.

    is_known: is it one of our people or machines, whose mail leaves in our name?
    peer: a stranger's address; empty: one of us, or it says nothing.
    """

    __slots__ = ("_account", "_asker", "_decided", "_is_for_sender", "_sender",
                 "_service", "budget", "is_known", "list_budget", "may_deposit")  # fmt: skip

    def __init__(
        self, service: Service, asker: Asker, account: Granted | None, *, peer: str
    ) -> None:
        self._service = service
        self._asker = asker
        self._account = account
        # By domain elsewhere; what was decided for `_sender` only, where rules ask who sends.
        self._decided: dict[str, Onward | RefusedByRule | Phrase] = {}
        self._is_for_sender = service.rules_ask_who_sends
        self._sender: Address | None = None
        self.is_known = asker.is_known
        self.budget = ForwardBudget(service, peer)
        self.list_budget = None if self.is_known else ListBudget(service, peer)
        self.may_deposit = decide_relaying(asker, RelayPlace.OURS) is Relaying.ACCEPT

    def decide(self, transaction: Transaction, path: Path, address: Address) -> Decision:
        """The answer to one RCPT."""
        if not transaction.smtp_utf8 and not path.text.isascii():
            return replies.UTF8_NOT_ASKED
        if self._is_for_sender and transaction.sender is not self._sender:
            self._sender, self._decided = transaction.sender, {}
        known = self._decided.get(address.domain)
        if known is not None:
            return known
        service = self._service
        if transaction.has_report:
            return replies.TOO_MANY_RECIPIENTS
        if is_rewritten(address.local):
            report = self._decide_report(transaction, address)  # before any catch-all
            if report is not None:
                return report
        found = find_local(
            address,
            ours=service.ours,
            find=service.store.people.find_target,
            postmaster=service.postmaster,
        )
        if isinstance(found, Target):
            if self.may_deposit:
                return self._decide_ours(transaction, address, found)
            return replies.RELAYING_DENIED
        if isinstance(found, Misplaced):
            return self._put_off()
        return self._decide_by_rules(transaction, path, address, found)

    def _decide_by_rules(
        self, transaction: Transaction, path: Path, address: Address, found: Unknown | Elsewhere
    ) -> Decision:
        """Nobody here has it: the relay's rules say what becomes of it."""
        decision = decide_rcpt(path, address, found, self._sending(transaction))
        if isinstance(found, Elsewhere):  # rules look at the recipient's domain only
            assert not isinstance(decision, Deposit)
            if len(self._decided) >= _MAX_DECIDED:
                self._decided.clear()
            if found.domain not in self._service.ours.held:
                self._decided[address.domain] = decision
        elif decision is replies.NO_SUCH_USER and _has_wrong_letter(address):
            return replies.WRONG_KEY_LETTER
        return decision

    def _sending(self, transaction: Transaction) -> Sending:
        return Sending(
            asker=self._asker,
            rules=self._service.settings.routes,
            sender=transaction.sender,
            identifier=None if self._account is None else self._account.identifier,
            smtputf8=transaction.smtp_utf8,
        )

    def _decide_ours(self, transaction: Transaction, address: Address, target: Target) -> Decision:
        if target.list_id is not None:
            return self._decide_list(transaction, address, target.list_id)
        life, service = target.life, self._service
        goes_on = target.forward_to != "" and service.settings.forwarding.enabled
        if life is not Life.PRESENT and (refusal := _refusal(life, goes_on=goes_on)) is not None:
            return refusal
        if goes_on and (life is Life.LEFT or not target.keeps_copy):
            return self._forward(transaction, target, keep=None)
        limits = service.classes.of(target.class_name)
        if limits.has_quota:
            room = decide_room(
                limits,
                used_octets=target.used_octets,
                used_count=target.used_count,
                size_octets=transaction.size_octets,
                is_lenient=transaction.sender is None or _is_essential(address),
            )
            if room is not Room.YES:
                return _FULL[room]
        if target.mailbox_id is None:
            return replies.NO_SUCH_USER
        deposit = Deposit(mailbox_id=target.mailbox_id)
        return deposit if not goes_on else self._forward(transaction, target, keep=deposit)

    def _decide_list(self, transaction: Transaction, address: Address, list_id: ListId) -> Decision:
        """Posts are refused here, while nobody has promised anything; requests always come in."""
        lists = self._service.store.lists
        which = lists.read_list(list_id)
        if which is None:
            return replies.NO_SUCH_USER
        purpose, detail = purpose_of(which, f"{address.local}@{address.domain}")
        is_post = purpose is ListPurpose.POST
        if is_post:
            sender = transaction.sender
            account_id = None if self._account is None else self._account.account_id
            standing = lists.standing(
                list_id,
                account_id=account_id,
                address_key="" if sender is None else sender.key,
            )
            asks = Sender(
                is_signed_in=account_id is not None, is_null=sender is None, standing=standing
            )
            is_ours = sender is not None and fold_domain(sender.domain) in self._service.ours.names
            if decide_post(which, asks) is Permission.NO and not is_asked_of_a_moderator(
                which, asks, is_ours=is_ours
            ):
                return replies.MAY_NOT_POST
        if self.list_budget is not None and not self.list_budget.has_room(list_id, purpose):
            return replies.TOO_MUCH_FOR_NOW
        next_hop = next_hop_of(list_id)
        once = f"{next_hop}{purpose.value}{f'+{detail}' if purpose in _NAMES_ONE else ''}"
        return Onward(next_hop, is_counted=is_post, once=once)

    # --- forwarding -----------------------------------------------------------------

    def _forward(
        self, transaction: Transaction, target: Target, *, keep: Deposit | None
    ) -> Decision:
        """Once, to where the account's holder wants it; where that fails, the mailbox keeps it."""
        local, _, domain = target.forward_to.rpartition("@")
        onward = self._onward(transaction, Address(local, domain), target)
        if isinstance(onward, Onward):
            home = keep or _home_of(target)
            if home is None and not self.budget.has_room(target.account_id):
                return replies.TOO_MUCH_FOR_NOW  # what cannot stay comes again
            onward = replace(
                onward,
                home=home,
                is_private=not target.shows_forward,
                holder=target.account_id,
            )
        if onward is not None:
            return Forwarding(onward, keep, self._service.srs.mark(str(target.account_id)))
        if keep is None and (target.life is Life.LEFT or target.mailbox_id is None):
            return replies.HAS_LEFT
        if target.account_id is not None:
            transaction.stays.append(Stay(target.account_id, StayReason.NO_WAY))
        if keep is not None:
            return keep
        assert target.mailbox_id is not None
        return Deposit(mailbox_id=target.mailbox_id)

    def _onward(
        self, transaction: Transaction, to: Address, target: Target
    ) -> Onward | Deposit | None:
        """None: it cannot go there.  At our own domains it is deposited, and goes no further."""
        service = self._service
        looked = find_local(
            to,
            ours=service.ours,
            find=service.store.people.find_target,
            postmaster=service.postmaster,
        )
        found = at_home(looked)
        if isinstance(found, Target):
            is_open = found.mailbox_id not in {None, target.mailbox_id}
            if not is_open or _refusal(found.life, goes_on=False) is not None:
                return None
            assert found.mailbox_id is not None
            return Deposit(mailbox_id=found.mailbox_id)
        if isinstance(found, Unknown):
            return None
        sender = self._sender_onward(transaction)
        return self._trusted_onward(to, Address("", "") if sender is None else sender)

    def _sender_onward(self, transaction: Transaction) -> Address | None:
        """Under which a copy leaves: as it came where that is nobody or one of us."""
        sender, service = transaction.sender, self._service
        if sender is None or fold_domain(sender.domain) in service.ours.names:
            return None
        rewritten = service.srs.rewrite(sender, now_s=service.believed_s())
        return rewritten or Address("postmaster", service.ours.principal)

    def _trusted_onward(self, to: Address, sender: Address) -> Onward | None:
        """The rules for a copy that we send on in our own name; None: they refuse it."""
        sending = Sending(
            asker=_OURSELVES,
            rules=self._service.settings.routes,
            sender=sender if sender.local else None,
            identifier=None,
            smtputf8=True,
        )
        path = Path(to.as_relayed, to)
        decided = decide_rcpt(path, to, Elsewhere(fold_domain(to.domain)), sending)
        if not isinstance(decided, Onward):
            return None
        return Onward(
            decided.next_hop,
            decided.held_for,
            path.text,
            str(sender) if sender.local else None,
            is_counted=False,
            once=f"forward:{to.key}",
        )

    def _put_off(self) -> Phrase:
        """A domain was changed here: that is nobody's fault for good."""
        return replies.DOMAIN_NOT_SET if self.may_deposit else replies.RELAYING_DENIED

    def _decide_report(self, transaction: Transaction, address: Address) -> Decision | None:
        """Back to who sent what we forwarded (RFC 5321 §4.5.5: reports have the null sender).

        None: it is at no domain of ours.
        """
        service, domain = self._service, fold_domain(address.domain)
        if domain not in service.ours.names:
            return self._put_off() if domain in service.ours.held else None
        first = service.srs.restore(address.local, now_s=service.believed_s())
        if first is None or not self.may_deposit:
            return replies.NO_SUCH_USER
        if transaction.sender is not None:
            return replies.REPORTS_ONLY
        found = find_local(
            first,
            ours=service.ours,
            find=service.store.people.find_target,
            postmaster=service.postmaster,
        )
        if isinstance(found, Target):
            return self._decide_ours(transaction, first, found)
        if isinstance(found, Misplaced):
            return replies.DOMAIN_NOT_SET
        if isinstance(found, Unknown):
            return replies.NO_SUCH_USER
        onward = self._trusted_onward(first, Address("", ""))
        if onward is None:
            return replies.NO_SUCH_USER
        if transaction.routes:
            return replies.TOO_MANY_RECIPIENTS  # it comes again, alone
        count = service.store.counters.sent.count_report(
            address.local.lower(), now_s=service.wall_s()
        )
        if count > MOST_REPORTS_A_DAY:
            return replies.TOO_MUCH_FOR_NOW
        return replace(onward, is_report=True, once=f"report:{address.local.lower()}")


MOST_REPORTS_A_DAY = 10
"""To who is behind one address that we rewrote; a message has one or two."""
_MAX_DECIDED = 256
_NAMES_ONE = frozenset({ListPurpose.CONFIRM, ListPurpose.MODERATE, ListPurpose.BOUNCES})
"""What stands behind the plus there is whose, or what about: another one is another request."""
_OURSELVES = Asker.ourselves()
_FULL = {Room.NOT_NOW: replies.MAILBOX_FULL_FOR_NOW, Room.NO: replies.MAILBOX_FULL}


def _refusal(life: Life, *, goes_on: bool) -> Phrase | None:
    """What somebody who gets no mail is answered for; None: mail comes in, or goes on."""
    if life is Life.EXPECTED:
        return replies.MAILBOX_NOT_OPEN
    if life is Life.LEFT:
        return None if goes_on else replies.HAS_LEFT
    return replies.MAILBOX_CLOSED if life is Life.GONE else None


def _home_of(target: Target) -> Deposit | None:
    """Where their mail stays that may not be sent on; who has left has no such place."""
    if target.mailbox_id is None or target.life is Life.LEFT:
        return None
    return Deposit(mailbox_id=target.mailbox_id)


def _is_essential(address: Address) -> bool:
    """Postmaster and abuse: room for them is refused last."""
    return split_plus(fold_local(address.local))[0] in ALWAYS_DELIVERABLE


def _has_wrong_letter(address: Address) -> bool:
    """`ce.0170705a@`, where 0170705z would be right."""
    try:
        find_code(split_plus(fold_local(address.local))[0])
    except BadUai:
        return True
    return False
