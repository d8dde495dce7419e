"""From the final dot to its answer: refuse, or hand the message to the committer and wait.

Once the write is submitted nothing that happens to the connection undoes it: the message
is not the transaction's any more.
"""

from __future__ import annotations

from mailserver.store.ports.errors import StoreBroken, StoreFull
from mailserver.store.ports.writes import Accepted, Failed, Outcome
from mailserver.values.ids import accept_id_text
from mailserver.values.message import Body
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.ownership import Ownership, excused
from smtp_relay.inbound.commands.table import State
from smtp_relay.inbound.connection.arriving import Arriving
from smtp_relay.inbound.message.trace import trace_beginning
from smtp_relay.inbound.service import Listener, Service
from smtp_relay.inbound.transaction.reception import (
    Reception,
    Stamp,
    Transaction,
    build_acceptance,
    plan_relays,
)
from smtp_relay.inbound.transaction.report_back import NoReport
from smtp_relay.inbound.transaction.sent_on import SentOn
from smtp_relay.inbound.transaction.staying import tell_holders

_TRANSACTION = int(State.MAIL) | int(State.RECIPIENT)


class Storing(Arriving):
    """A session that has a message under way."""

    __slots__ = ("_reception", "_unknown_count")

    def __init__(self, service: Service, listener: Listener) -> None:
        super().__init__(service, listener)
        self._reception: Reception | None = None
        self._unknown_count = 0

    def _owns_address(self) -> Ownership | None:
        """Does the account that sends own this address?  None: no account sends."""
        account, service = self._account, self.service
        if account is None:
            return None
        store = service.store
        return Ownership(store.accounts, store.people, service.ours, account.account_id)

    def _end_of_data(self, reception: Reception) -> None:
        """The final dot: refuse, or store and answer then."""
        ownership = self._owns_address()
        refusal = reception.decide(ownership)
        if refusal is not None:
            refusal = excused(refusal, ownership)
        has_ended = refusal is None and self._has_sign_in_ended()  # locked while it was sent
        if has_ended:
            refusal = replies.SIGN_IN_AGAIN
        if refusal is not None:
            self.service.counters.refused_messages += 1
            self._note("message refused", code=refusal.code)
            self._forget_transaction()
            self._say(refusal)
            if has_ended:
                self._close()
            return
        if self._is_same_report(reception):
            return
        stamp, transaction = self._stamp(), self.envelope
        if transaction.has_report and not self._is_report(reception, transaction, stamp):
            return
        # From here on the message is not the transaction's any more: whatever happens to
        # the connection, it is stored and, if somebody still listens, answered.
        self._is_working = True
        self._reception = None

        def store(body: Body | BaseException) -> None:
            try:
                self._store(body, reception, transaction, stamp)
            except Exception as error:  # noqa: BLE001 - a callback of the loop
                self._not_stored(reception, error)

        reception.upload.finish(store)

    def _is_same_report(self, reception: Reception) -> bool:
        """A report that went on before within a day is on disk, under the name that is said."""
        transaction, service = self.envelope, self.service
        if reception.passing is None or not transaction.has_report:
            return False
        sent_on, sameness = SentOn(service.store.counters.repeats, None), reception.passing.sameness
        before = sent_on.same_report(transaction, sameness, now_s=service.wall_s())
        if not before:
            return False
        self._note("report dropped", why="the same within a day", message=before)
        self._patience.renew()
        self._forget_transaction()
        self._fill(replies.ACCEPTED, "message", before)
        return True

    def _is_report(self, reception: Reception, transaction: Transaction, stamp: Stamp) -> bool:
        """Refused: an answering machine's words, for instance, tell where mail goes on to."""
        try:
            reception.send_report_back(self.service, transaction, stamp)
        except NoReport:
            self.service.counters.refused_messages += 1
            self._note("message refused", code=replies.REPORTS_ONLY.code, why="no report")
            self._forget_transaction()
            self._say(replies.REPORTS_ONLY)
            return False
        return True

    def _store(
        self,
        body: Body | BaseException,
        reception: Reception,
        transaction: Transaction,
        stamp: Stamp,
    ) -> None:
        if isinstance(body, BaseException):
            self._not_stored(reception, body)
            return
        sent_on = None
        if reception.passing is not None:
            reader = reception.reader
            stays = reader.is_unvouched or reader.has_nul
            recipients = self._recipients or self._fix_recipients()
            budget = None if stays else recipients.budget
            sent_on = SentOn(self.service.store.counters.repeats, budget, stamp.text)
            sent_on.keep_back(transaction, reception.passing.sameness, now_s=stamp.at_s)
        acceptance = build_acceptance(
            stamp,
            transaction,
            body=body,
            reader=reception.reader,
            fields=reception.fields,
            signing=reception.signing,
            plan_relay=plan_relays(self.service, transaction, stamp)
            if transaction.has_onward
            else None,
            sent_on=sent_on,
        )

        def stored(outcome: Outcome) -> None:
            if isinstance(outcome, Accepted):
                if sent_on is not None:
                    sent_on.stored(now_s=stamp.at_s)
                if transaction.has_onward:
                    self._note_lists(transaction)
                if transaction.stays:
                    self._tell_holders(transaction, stamp)
                self._stored(reception, len(acceptance.copies), stamp.text)
            else:
                if sent_on is not None:
                    sent_on.not_stored()
                self._not_stored(reception, outcome.error if isinstance(outcome, Failed) else None)

        self.service.writer.submit(acceptance, stored)

    def _note_lists(self, transaction: Transaction) -> None:
        budget = (self._recipients or self._fix_recipients()).list_budget
        if budget is not None:
            budget.note(transaction.routes)

    def _tell_holders(self, transaction: Transaction, stamp: Stamp) -> None:
        self.service.pool.submit(
            tell_holders,
            self.service,
            tuple(transaction.stays),
            reverse_path=transaction.mail_from or "",
            now_s=stamp.at_s,
        )

    def _stored(self, reception: Reception, copy_count: int, message: str) -> None:
        """The commit has ended well.  The peer may have gone meanwhile."""
        octets = reception.reader.size_octets
        counters = self.service.counters
        counters.accepted_messages += 1
        counters.accepted_copies += copy_count
        counters.accepted_octets += octets
        self._patience.renew()
        self._unknown_count = 0
        if self._account is None and self.service.may_guess(self.peer):
            self.service.guessers.note_accepted(self.peer, copy_count)
        self._log.info("accepted", message=message, octets=octets, copies=copy_count)
        reception.upload.release()
        self._fill(replies.ACCEPTED, "message", message)
        self._go_on()

    def _not_stored(self, reception: Reception, error: BaseException | None) -> None:
        counters, is_full = self.service.counters, isinstance(error, StoreFull)
        if isinstance(error, StoreFull):
            counters.note_shortage(error.why)
            self._note("message not stored", error=str(error))
        else:
            counters.failed_messages += 1
            self._log.error("message not stored", exc_info=error)
        reception.upload.discard()
        if isinstance(error, StoreBroken):
            self.service.on_broken()
        self._say(replies.DISK_FULL if is_full else replies.OUR_FAULT)
        self._go_on()

    def _go_on(self) -> None:
        """The message is answered; the next command may come."""
        self._forget_transaction()
        self._is_working = False
        self._activity.heard_at_s = self.service.clock_s()
        self._take_turn()

    def _stamp(self) -> Stamp:
        service = self.service
        now_s = service.wall_s()
        smtputf8 = self.envelope.smtp_utf8
        arrival = self._arrival or self._fix_arrival()
        beginning = self._beginnings.get(smtputf8)
        if beginning is None:
            beginning = trace_beginning(arrival, smtputf8=smtputf8)
            self._beginnings[smtputf8] = beginning
        accept_id = service.accept_ids.make(now_s)
        return Stamp(
            accept_id=accept_id,
            text=accept_id_text(accept_id),
            at_s=now_s,
            date=service.dates.at(now_s),
            arrival=arrival,
            beginning=beginning,
            listener=self.listener.name,
            account=self._account,
        )

    def _forget_transaction(self) -> None:
        """Drop the message under way; one that is being committed is not touched."""
        reception, self._reception = self._reception, None
        if reception is not None:
            reception.upload.discard()
        self._is_receiving = False
        self._is_uploading_behind = False
        self.envelope = None
        self._state &= ~_TRANSACTION
