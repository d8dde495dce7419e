"""MAIL, RCPT and DATA, and the answer after the final dot.

They come with every message and never wait.  From the dot on nothing that happens to the
connection undoes anything: the message is the committer's, and not the transaction's any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailserver.peers.patience import share_of
from mailserver.routing.relaying import Role
from mailserver.store.ports.errors import StoreBroken, StoreFull
from mailserver.store.ports.writes import Accepted, Failed, Outcome
from mailserver.values.address import Address, fold_domain
from mailserver.values.message import Body, Deposit
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.ownership import excused
from smtp_relay.inbound.commands.session import Session
from smtp_relay.inbound.grammar.parameters import (
    NO_PARAMETERS,
    NO_RCPT_PARAMETERS,
    BadParameter,
    UnknownParameter,
    parse_mail_parameters,
    parse_rcpt_parameters,
)
from smtp_relay.inbound.grammar.paths import (
    BadPath,
    Path,
    complete_path,
    is_literal_of,
    parse_forward_path,
    parse_reverse_path,
)
from smtp_relay.inbound.transaction.policy import Onward, RefusedByRule, decide_mail
from smtp_relay.inbound.transaction.reception import (
    Reception,
    Stamp,
    build_acceptance,
    plan_relays,
)
from smtp_relay.inbound.transaction.report_back import NoReport
from smtp_relay.inbound.transaction.sent_on import SentOn
from smtp_relay.inbound.transaction.staying import tell_later
from smtp_relay.inbound.transaction.transaction import Forwarding, Transaction

_COPIES = (Deposit, Onward)


def mail(session: Session, arg: str | None) -> None:
    voice, service = session.voice, session.service
    if arg is None or arg[:5].upper() != "FROM:":
        voice.say(replies.BAD_SYNTAX)
        return
    try:
        path, rest = _read_path(session, parse_reverse_path, arg[5:])
        parameters = parse_mail_parameters(rest) if rest else NO_PARAMETERS
    except (BadPath, BadParameter, UnknownParameter) as error:
        voice.say(_bad_argument(error, replies.BAD_SENDER))
        return
    if session.has_sign_in_ended:
        voice.log.info("sign-in has ended")
        session.connection.say_last(replies.SIGN_IN_AGAIN)
        return
    if session.account is None and (too_much := session.asks_too_much()) is not None:
        why = "guesses recipients" if too_much is replies.GUESSER else "brings too much"
        voice.note("sender refused", code=too_much.code, why=why)
        voice.say(too_much)
        return
    ownership = session.owns_address()
    refusal = decide_mail(
        path,
        parameters,
        owns_address=ownership,
        max_octets=service.max_octets,
        has_room=service.has_room(parameters.size_octets),
    )
    if refusal is not None:
        refusal = excused(refusal, ownership)
        service.counters.refused_for_room += refusal is replies.DISK_FULL
        voice.note("sender refused", code=refusal.code)
        voice.say(refusal)
        return
    session.open(Transaction(path, parameters))
    voice.say(replies.SENDER_OK)


def _read_path(
    session: Session, parse: Callable[[str], tuple[Path, str]], text: str
) -> tuple[Path, str]:
    """Our own people's programs and machines may leave out brackets and domain."""
    try:
        return parse(text)
    except BadPath:
        if not session.is_from_us:
            raise
        return parse(complete_path(text, session.service.settings.service.domain))


def _bad_argument(error: ValueError, bad_path: replies.Phrase) -> replies.Phrase:
    if isinstance(error, BadPath):
        return bad_path
    is_unknown = isinstance(error, UnknownParameter)
    return replies.UNKNOWN_PARAMETER if is_unknown else replies.BAD_PARAMETER


def rcpt(session: Session, arg: str | None) -> None:
    voice, transaction = session.voice, session.transaction
    assert transaction is not None  # the order was checked
    if arg is None or arg[:3].upper() != "TO:":
        voice.say(replies.BAD_SYNTAX)
        return
    wishes = NO_RCPT_PARAMETERS
    try:
        path, rest = _read_path(session, parse_forward_path, arg[3:])
        if rest:
            wishes = parse_rcpt_parameters(rest, smtputf8=transaction.smtp_utf8)
    except (BadPath, BadParameter, UnknownParameter) as error:
        voice.say(_bad_argument(error, replies.BAD_RECIPIENT))
        return
    if transaction.recipient_count >= session.max_recipients:
        # Who sends so many at once is to hear it for each of them.
        voice.out.append(replies.TOO_MANY_RECIPIENTS.octets[voice.language])
        voice.count(replies.TOO_MANY_RECIPIENTS)
        voice.spend(_share_of_recipients(session))
        return
    address = path.address
    assert address is not None  # a forward-path is never null
    if address.domain[:1] == "[":
        address = _meant_by_literal(session, address)
    decision = session.recipients.decide(transaction, path, address)
    if isinstance(decision, _COPIES):
        transaction.add(path.text, decision, wishes)
    elif isinstance(decision, Forwarding):
        transaction.forward(path.text, decision, wishes)
    else:
        _refuse_recipient(session, path.text, decision, address)
        return
    session.has_recipient()
    voice.say(replies.RECIPIENT_OK)


def _share_of_recipients(session: Session) -> int:
    return share_of(session.service.settings.smtp.max_errors, 2 * session.max_recipients)


def _refuse_recipient(
    session: Session, recipient: str, refusal: RefusedByRule | replies.Phrase, address: Address
) -> None:
    voice, service = session.voice, session.service
    if isinstance(refusal, RefusedByRule):
        phrase = replies.REFUSED_BY_RULE
        voice.fill(phrase, "reason", refusal.reason)
    else:
        phrase = refusal
        voice.out.append(phrase.octets[voice.language])
    voice.count(phrase)
    voice.note("recipient refused", code=phrase.code, recipient=recipient)
    if session.is_from_us:  # our own people: typing errors
        voice.spend(_share_of_recipients(session))
        return
    smtp, connection = service.settings.smtp, session.connection
    if voice.counts_unknown and _is_unknown(session, phrase, address):
        session.unknown_recipients += 1
        if service.may_guess(connection.peer):
            service.guessers.note_unknown(connection.peer)
        if session.unknown_recipients >= smtp.max_unknown_recipients and not connection.is_closing:
            connection.say_last(replies.TOO_MANY_UNKNOWN)
    voice.spend(share_of(smtp.max_errors, smtp.max_unknown_recipients))


def _is_unknown(session: Session, phrase: replies.Phrase, address: Address) -> bool:
    """Somebody guesses addresses, or has an old list; also at a domain that was ours."""
    is_held = phrase is replies.RELAYING_DENIED and (
        fold_domain(address.domain) in session.service.ours.held
    )
    return is_held or phrase in replies.NOBODY_THERE


def _meant_by_literal(session: Session, address: Address) -> Address:
    """A literal of the address that the peer has reached is ours (RFC 5321 §4.1.3)."""
    sockname = session.connection.transport.get_extra_info("sockname")
    if is_literal_of(address.domain, sockname[0] if sockname else ""):
        return Address(address.local, session.service.settings.service.domain)
    return address


def data(session: Session, arg: str | None) -> None:
    transaction, connection = session.transaction, session.connection
    assert transaction is not None  # the order was checked
    if arg:
        session.voice.say(replies.BAD_SYNTAX)
        return
    reception = Reception(
        session.service,
        is_submission=session.listener.role is Role.SUBMISSION,
        is_from_us=session.is_from_us,
        leaves_as_ours=transaction.has_onward and session.is_from_us,
        sender=transaction.sender,
        is_report=transaction.has_report,
        marks=transaction.marks,
        on_progress=lambda: _disk_progressed(session),
    )
    transaction.reception = reception
    connection.receive(IncomingMessage(session, transaction, reception))
    session.voice.say(replies.SEND_DATA)


def _disk_progressed(session: Session) -> None:
    transaction, connection = session.transaction, session.connection
    if transaction is not None and transaction.reception is not None and connection.transport:
        connection.hear()
        connection.pace_reading()


@dataclass(frozen=True, slots=True, eq=False)
class IncomingMessage:
    """From DATA to the dot, and what is answered then."""

    session: Session
    transaction: Transaction
    reception: Reception

    @property
    def received_octets(self) -> int:
        return self.reception.reader.size_octets

    @property
    def is_behind(self) -> bool:
        return self.reception.upload.is_behind

    def take(self, data: bytes) -> bytes:
        rest = self.reception.take(data)
        if rest is not None:
            self.session.connection.receive(None)
            self._end()
            return rest
        if self.reception.reader.is_endless:
            self.session.connection.say_last(replies.MESSAGE_TOO_LARGE)
        elif self.is_behind:
            self.session.connection.pace_reading()
        return b""

    def _end(self) -> None:
        """The final dot: refuse, or store and answer then."""
        session, reception = self.session, self.reception
        ownership = session.owns_address()
        refusal = reception.decide(ownership)
        if refusal is not None:
            refusal = excused(refusal, ownership)
        has_ended = refusal is None and session.has_sign_in_ended  # locked while it was sent
        if has_ended:
            refusal = replies.SIGN_IN_AGAIN
        if refusal is not None:
            session.service.counters.refused_messages += 1
            session.voice.note("message refused", code=refusal.code)
            session.drop()
            session.voice.say(refusal)
            if has_ended:
                session.connection.close()
            return
        if self._is_same_report():
            return
        stamp = session.stamp(self.transaction)
        if self.transaction.has_report and not self._is_report(stamp):
            return
        # From here on the message is not the transaction's any more: whatever happens to
        # the connection, it is stored and, if somebody still listens, answered.
        session.connection.hold()
        self.transaction.reception = None

        def store(body: Body | BaseException) -> None:
            try:
                self._store(body, stamp)
            except Exception as error:  # noqa: BLE001 - a callback of the loop
                self._not_stored(error)

        reception.upload.finish(store)

    def _is_same_report(self) -> bool:
        """A report that went on before within a day is on disk, under the name that is said."""
        transaction, session, service = self.transaction, self.session, self.session.service
        passing = self.reception.passing
        if passing is None or not transaction.has_report:
            return False
        sent_on = SentOn(service.store.counters.repeats, None)
        before = sent_on.same_report(transaction, passing.sameness, now_s=service.wall_s())
        if not before:
            return False
        session.voice.note("report dropped", why="the same within a day", message=before)
        session.voice.renew_patience()
        session.drop()
        session.voice.fill(replies.ACCEPTED, "message", before)
        return True

    def _is_report(self, stamp: Stamp) -> bool:
        """Refused: an answering machine's words, for instance, tell where mail goes on to."""
        session = self.session
        try:
            self.reception.send_report_back(session.service, self.transaction, stamp)
        except NoReport:
            session.service.counters.refused_messages += 1
            session.voice.note("message refused", code=replies.REPORTS_ONLY.code, why="no report")
            session.drop()
            session.voice.say(replies.REPORTS_ONLY)
            return False
        return True

    def _store(self, body: Body | BaseException, stamp: Stamp) -> None:
        if isinstance(body, BaseException):
            self._not_stored(body)
            return
        session, transaction, reception = self.session, self.transaction, self.reception
        service = session.service
        sent_on = self._sent_on(stamp)
        try:
            acceptance = build_acceptance(
                stamp,
                transaction,
                body=body,
                reader=reception.reader,
                fields=reception.fields,
                signing=reception.signing,
                plan_relay=plan_relays(service, transaction, stamp)
                if transaction.has_onward
                else None,
                sent_on=sent_on,
            )
        except BaseException:
            if sent_on is not None:
                sent_on.not_stored()
            raise

        def stored(outcome: Outcome) -> None:
            if isinstance(outcome, Accepted):
                if sent_on is not None:
                    sent_on.stored(now_s=stamp.at_s)
                budget = session.recipients.list_budget if transaction.has_onward else None
                if budget is not None:
                    budget.note(transaction.routes)
                if transaction.stays:
                    reverse_path = transaction.mail_from or ""
                    tell_later(service, transaction.stays, reverse_path, now_s=stamp.at_s)
                self._stored(len(acceptance.copies), stamp.text)
            else:
                if sent_on is not None:
                    sent_on.not_stored()
                self._not_stored(outcome.error if isinstance(outcome, Failed) else None)

        service.writer.submit(acceptance, stored)

    def _sent_on(self, stamp: Stamp) -> SentOn | None:
        """What of it went before, or is too much, stays; None: nobody forwards."""
        reception, session = self.reception, self.session
        if reception.passing is None:
            return None
        stays = reception.reader.is_unvouched or reception.reader.has_nul
        budget = None if stays else session.recipients.budget
        sent_on = SentOn(session.service.store.counters.repeats, budget, stamp.text)
        sent_on.keep_back(self.transaction, reception.passing.sameness, now_s=stamp.at_s)
        return sent_on

    def _stored(self, copy_count: int, message: str) -> None:
        """The commit has ended well.  The peer may have gone meanwhile."""
        session, octets = self.session, self.reception.reader.size_octets
        voice, service, peer = session.voice, session.service, session.connection.peer
        counters = service.counters
        counters.accepted_messages += 1
        counters.accepted_copies += copy_count
        counters.accepted_octets += octets
        voice.renew_patience()
        session.unknown_recipients = 0
        if session.account is None and service.may_guess(peer):
            service.guessers.note_accepted(peer, copy_count)
        voice.log.info("accepted", message=message, octets=octets, copies=copy_count)
        self.reception.upload.release()
        voice.fill(replies.ACCEPTED, "message", message)
        self._go_on()

    def _not_stored(self, error: BaseException | None) -> None:
        voice, service = self.session.voice, self.session.service
        is_full = isinstance(error, StoreFull)
        if isinstance(error, StoreFull):
            service.counters.note_shortage(error.why)
            voice.note("message not stored", error=str(error))
        else:
            service.counters.failed_messages += 1
            voice.log.error("message not stored", exc_info=error)
        self.reception.upload.discard()
        if isinstance(error, StoreBroken):
            service.on_broken()
        voice.say(replies.DISK_FULL if is_full else replies.OUR_FAULT)
        self._go_on()

    def _go_on(self) -> None:
        """The message is answered; the next command may come."""
        self.session.drop()
        self.session.connection.go_on()
