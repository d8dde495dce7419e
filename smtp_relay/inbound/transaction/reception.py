"""One message from DATA to the commit: what reads it, keeps it and builds its Acceptance.

`Reception` is dropped with its transaction; once the dot has come and the
write is submitted, nothing that happens to the connection undoes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from mailserver.auth.gate import Granted
from mailserver.queue.reports import ReportKind, is_owed
from mailserver.queue.turns import turn_key
from mailserver.quota.staying import StayReason
from mailserver.values.address import Address
from mailserver.values.ids import AcceptId
from mailserver.values.message import (
    HOLDS_NUL,
    UNVOUCHED,
    Acceptance,
    Body,
    BodyFacts,
    Deposit,
    NewCopy,
    Notify,
    Relay,
)
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.authorship import Authorship
from smtp_relay.inbound.authors.fields import SubmittedFields, find_fields
from smtp_relay.inbound.grammar.parameters import NO_RCPT_PARAMETERS, RcptParameters
from smtp_relay.inbound.message.body import FIELD_OF_SEPARATOR, DataReader
from smtp_relay.inbound.message.cutting import Cut
from smtp_relay.inbound.message.signing import Signing
from smtp_relay.inbound.message.trace import (
    Arrival,
    is_circle,
    mark_lines,
    return_path_line,
    trace_end,
)
from smtp_relay.inbound.message.upload import Upload
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.service import Service
from smtp_relay.inbound.transaction.policy import (
    Onward,
    OwnsAddress,
    decide_authors,
    decide_body,
)
from smtp_relay.inbound.transaction.report_back import report_back
from smtp_relay.inbound.transaction.sending import why_over_limit
from smtp_relay.inbound.transaction.sent_on import Passing, SentOn
from smtp_relay.inbound.transaction.transaction import Transaction

PlanRelay = Callable[[Onward], Relay]


class Reception:
    """The data of one message while it comes."""

    __slots__ = (
        "_authorship",
        "_cut",
        "_is_submission",
        "_marks",
        "_max_hops",
        "_own_domains",
        "_refused",
        "_report",
        "fields",
        "passing",
        "reader",
        "signing",
        "upload",
    )

    def __init__(
        self,
        service: Service,
        *,
        is_submission: bool,
        is_from_us: bool,
        leaves_as_ours: bool,
        sender: Address | None = None,
        is_report: bool = False,
        marks: Sequence[str] = (),
        on_progress: Callable[[], None],
    ) -> None:
        """is_from_us: somebody who signed in, or a trusted network; their bare LF are mended.

        sender: the reverse-path; None: the null one.
        is_report: it goes on to who sent what we forwarded.
        """
        signer = service.signer if leaves_as_ours else None
        is_stranger = not is_submission and not is_from_us
        self.reader = DataReader(
            max_octets=service.max_octets,
            max_header_octets=service.max_header_octets,
            keep_header=is_stranger or is_submission or signer is not None or bool(marks),
            mends_line_ends=is_from_us,
            drops_separators=is_submission,
            cleaning=service.cleaning(is_submission=is_submission, is_from_us=is_from_us),
        )
        self.signing = None if signer is None else Signing(signer, self.reader.header)
        self._authorship = None
        if is_stranger:
            self._authorship = Authorship(
                self.reader.header, own=service.own_authors, sender=sender, signer=service.signer
            )
        self._cut = Cut(self.reader.header) if is_report else None
        self._report: list[bytes] = []  # what passed of one: what goes on is decided at the dot
        self._refused = service.refused_authors
        self.passing = Passing(self.reader.header) if marks or is_report else None
        self.upload = Upload(service.spooling, on_progress=on_progress)
        self._is_submission = is_submission
        self._own_domains = service.ours.names
        self._marks = marks
        self._max_hops = service.settings.relay.max_hops
        self.fields: SubmittedFields | None = None

    def take(self, data: bytes) -> bytes | None:
        """Take what came; None while the end has not come, then what followed it."""
        octets = self.reader.feed(data)
        if octets:
            passed = octets
            if self._cut is None:
                self.upload.add(octets)
            else:
                passed = self._cut.take(octets)
                self._report.append(passed)
            if self.signing is not None:
                self.signing.feed(octets)
            if self._authorship is not None:
                self._authorship.feed(octets)
            if self.passing is not None:
                self.passing.feed(passed)
        return self.reader.rest

    def send_report_back(self, service: Service, transaction: Transaction, stamp: Stamp) -> None:
        """After the dot: the report that came, or one of ours in its place, is what is stored.

        Raises:
            NoReport: it is none.
        """
        octets, (route, *_) = b"".join(self._report), transaction.routes
        assert isinstance(route, Onward)
        back = report_back(
            service, octets, to=route.recipient, id_text=stamp.text, now_s=stamp.at_s
        )
        if back is not None:
            self.reader, self.signing, octets = back.reader, back.signing, back.octets
            stamp.is_our_report = True
        self.upload.add(octets)

    def discard(self) -> None:
        self.upload.discard()

    def decide(self, owns_address: OwnsAddress | None) -> Phrase | None:
        """After the dot: None to accept.  `owns_address` where an account sends."""
        reader = self.reader
        refusal = decide_body(
            is_too_large=reader.is_too_large,
            is_header_too_large=reader.header.is_too_large,
            has_bare_cr_or_lf=reader.has_bare_cr_or_lf,
            has_bad_nul=self._is_submission and reader.has_nul,
            has_too_many_hops=reader.header.received_count > self._max_hops,
        )
        if refusal is not None:
            return refusal
        authorship = self._authorship
        if authorship is not None and authorship.is_unvouched():
            reader.is_unvouched = True
            if authorship.is_by(self._refused):
                return replies.NOT_OUR_MAIL
        reader.is_signed_by_us = (
            authorship is not None and authorship.poses and not reader.is_unvouched
        )
        if self.passing is not None:
            self.passing.end()
        block = reader.header.take()
        if self._marks and is_circle(block, self._marks):
            return replies.TOO_MANY_HOPS
        if self.signing is not None:
            self.signing.block = block
        if not self._is_submission:
            return None
        self.fields = find_fields(block)
        if owns_address is None:
            return None
        return decide_authors(self.fields, owns_address, self._own_domains)


@dataclass(slots=True, kw_only=True)
class Stamp:
    """What is fixed in the moment of the final dot."""

    accept_id: AcceptId
    text: str  # of that id
    at_s: float
    date: str
    arrival: Arrival
    beginning: bytes  # of the trace header, up to the id
    listener: str
    account: Granted | None
    is_our_report: bool = False  # then nobody is to read whose report came


def build_acceptance(
    stamp: Stamp,
    transaction: Transaction,
    *,
    body: Body,
    reader: DataReader,
    fields: SubmittedFields | None,
    signing: Signing | None,
    plan_relay: PlanRelay | None,
    sent_on: SentOn | None = None,
) -> Acceptance:
    """All that one 250 promises.

    fields: on submission; what is missing is put in front.
    signing: of a message that leaves as ours; its signatures stand above all we add.
    plan_relay: for a copy that goes elsewhere; None: none does.
    sent_on: which forwarded copies were kept back; None: nobody forwards.
    """
    head = _head(stamp, transaction, fields)
    if reader.begins_with_separator:
        head += FIELD_OF_SEPARATOR  # the message's first line is its value
    elif not reader.has_header:
        head += b"\r\n"  # RFC 5322 §2.1: or our lines would run into its text
    if signing is not None:
        head = signing.sign(head, now_s=stamp.at_s) + head
    reverse_path = transaction.mail_from or ""
    return Acceptance(
        accept_id=stamp.accept_id,
        accepted_at_s=stamp.at_s,
        return_path=return_path_line(reverse_path),
        head=head,
        body=body,
        facts=reader.facts,
        reverse_path=reverse_path,
        account_id=None if stamp.account is None else stamp.account.account_id,
        peer=stamp.arrival.peer,
        door=stamp.listener,
        smtputf8=transaction.smtp_utf8,
        envelope_id=transaction.envelope_id,
        return_content=transaction.return_content,
        by_account=None if stamp.account is None else stamp.account.by_account,
        copies=_copies(transaction, plan_relay, reader.facts, sent_on),
    )


def plan_relays(service: Service, transaction: Transaction, stamp: Stamp) -> PlanRelay:
    """Gives each copy for elsewhere its turn, and the time of its first report."""
    sender = turn_key(
        account_id=None if stamp.account is None else stamp.account.account_id,
        reverse_path=transaction.mail_from or "",
        peer=stamp.arrival.peer,
    )
    take, now_s = service.turns.take, stamp.at_s
    tell_at_s = service.first_tell(now_s)
    over_limit = why_over_limit(service, stamp.account, transaction, now_s)

    def plan(onward: Onward) -> Relay:
        return Relay(
            next_hop=onward.next_hop,
            turn_at_s=take(sender, now_s=now_s),
            tell_at_s=tell_at_s,
            held_for=onward.held_for or (over_limit if onward.is_counted else ""),
        )

    return plan


def _head(stamp: Stamp, transaction: Transaction, fields: SubmittedFields | None) -> bytes:
    """The lines that we put in front, but for signatures."""
    recipients = transaction.rcpt_tos
    end = trace_end(
        stamp.arrival,
        recipient=recipients[0] if transaction.recipient_count == 1 else None,
        date=stamp.date,
    )
    head = stamp.beginning + stamp.text.encode("ascii") + end
    if stamp.is_our_report:
        lines = f"Received: by {stamp.arrival.hostname} id {stamp.text};\r\n\t{stamp.date}\r\n"
        return lines.encode("ascii")
    if fields is not None:
        head += _missing_fields(stamp, fields)
    if transaction.marks:
        head += mark_lines(transaction.marks)
    return head


def _copies(
    transaction: Transaction,
    plan_relay: PlanRelay | None,
    facts: BodyFacts,
    sent_on: SentOn | None,
) -> tuple[NewCopy, ...]:
    """One for each route; what was never asked for is not written."""
    if facts.is_unvouched or (facts.has_nul and transaction.has_onward):
        copies = _copies_that_stay(transaction, plan_relay, facts)
    else:
        copies = tuple(
            [
                NewCopy(recipient=recipient, route=route)
                if type(route) is Deposit and wishes is NO_RCPT_PARAMETERS
                else _copy(transaction, recipient, route, wishes, plan_relay)
                for recipient, route, wishes in zip(
                    transaction.rcpt_tos, transaction.routes, transaction.wishes, strict=True
                )
            ]
        )
    if transaction.repeats is not None:
        transaction.repeats.note(transaction, copies)
    if sent_on is not None:
        sent_on.note(copies)
    return copies


def _copies_that_stay(
    transaction: Transaction, plan_relay: PlanRelay | None, facts: BodyFacts
) -> tuple[NewCopy, ...]:
    """What was to be sent on stays in its holder's mailbox, which gets it once in any case."""
    copies = []
    why = HOLDS_NUL if facts.has_nul else UNVOUCHED
    own = zip(transaction.rcpt_tos, transaction.routes, transaction.wishes, strict=True)
    routes = chain(own, () if transaction.repeats is None else transaction.repeats.forwarded)
    for recipient, route, wishes in routes:
        if isinstance(route, Onward) and route.home is not None:
            copy = _copy(transaction, recipient, route.home, wishes, plan_relay)
            copy.note = f"not sent on to {route.recipient}: {why}"
            transaction.withhold(route, StayReason.NUL if facts.has_nul else StayReason.UNVOUCHED)
        else:
            copy = _copy(transaction, recipient, route, wishes, plan_relay)
            if facts.is_unvouched and isinstance(route, Deposit):
                copy.note = f"perhaps forged: {UNVOUCHED}"
        copies.append(copy)
    return tuple(copies)


def _copy(
    transaction: Transaction,
    recipient: str,
    route: Deposit | Onward,
    wishes: RcptParameters,
    plan_relay: PlanRelay | None,
) -> NewCopy:
    notify = wishes.notify
    if isinstance(route, Onward):
        assert plan_relay is not None  # it is there whenever a copy goes elsewhere
        return NewCopy(
            recipient=route.recipient or recipient,
            route=plan_relay(route),
            notify=notify,
            original_recipient=wishes.original_recipient,
            sender=route.sender,
            told_as=recipient if route.is_private else "",
        )
    reverse_path = transaction.mail_from or ""
    return NewCopy(
        recipient=recipient,
        route=route,
        notify=notify,
        original_recipient=wishes.original_recipient,
        owes_report=notify is not Notify.UNSAID
        and is_owed(ReportKind.DELIVERED, notify=notify, reverse_path=reverse_path),
    )


def _missing_fields(stamp: Stamp, fields: SubmittedFields) -> bytes:
    """RFC 6409 §8: a submission server may add Date and Message-ID."""
    added = ""
    if not fields.has_date:
        added += f"Date: {stamp.date}\r\n"
    if not fields.has_message_id:
        added += f"Message-ID: <{stamp.text}@{stamp.arrival.hostname}>\r\n"
    return added.encode("ascii")
