"""The commands of the SMTP door: `SmtpDoor`, aiosmtpd's SMTP with our own decisions.

Each `smtp_WORD` keeps aiosmtpd's name and contract: a coroutine that gets the
argument, or None, and replies.  What it may rely on stands in `commands`; what
it decides comes from the pure rooms.  Two objects, two lives: the session
(`self.session`, EHLO to QUIT) and the transaction (`self.envelope`, MAIL to
the answer after the dot); RSET drops the second, STARTTLS drops both.

MAIL, RCPT and DATA come with every message and never wait: the door calls what
their coroutines wrap.
"""

# ruff: noqa: N802 - smtp_WORD is the base class's naming

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailserver.peers.foreign import is_foreign
from mailserver.peers.patience import share_of
from mailserver.routing.relaying import Role
from mailserver.values.address import Address, fold_domain
from mailserver.values.message import Deposit
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.ownership import excused
from smtp_relay.inbound.commands.table import COMMANDS, Command, State, decide_order
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
from smtp_relay.inbound.service import Listener, Service
from smtp_relay.inbound.transaction.policy import (
    Onward,
    RefusedByRule,
    decide_mail,
)
from smtp_relay.inbound.transaction.reception import Reception, Transaction
from smtp_relay.inbound.transaction.recipients import Forwarding
from smtp_relay.inbound.transaction.storing import Storing

_MAIL = int(State.MAIL)
_RECIPIENT = int(State.RECIPIENT)
_TRANSACTION = _MAIL | _RECIPIENT


class SmtpDoor(Storing):
    """One connection to one of our listeners."""

    __slots__ = ("_max_recipients",)

    def __init__(self, service: Service, listener: Listener) -> None:
        super().__init__(service, listener)
        self._max_recipients = service.settings.smtp.max_recipients

    # --- coming and going -------------------------------------------------------

    def _received_octets(self) -> int:
        return 0 if self._reception is None else self._reception.reader.size_octets

    def _lost(self) -> None:
        self.service.counters.open_connections -= 1
        self._forget_transaction()

    def _command(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        entry = _TABLE.get(word) or _TABLE.get(word.upper())
        if entry is None:
            if is_foreign(line):
                self._refuse_foreign()
            else:
                self._say(replies.UNKNOWN_COMMAND)
            return
        command, method = entry
        refusal = decide_order(command, self._state)
        if refusal is not None:
            self._say(refusal)
            return
        argument = rest.decode("utf-8", "surrogateescape").strip(" \t") if rest else None
        coroutine = method(self, argument or None)
        if coroutine is not None:
            self._begin(coroutine)

    # --- the envelope -------------------------------------------------------------

    async def smtp_MAIL(self, arg: str | None) -> None:
        self._mail(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        self._rcpt(arg)

    async def smtp_DATA(self, arg: str | None) -> None:
        self._data(arg)

    def _mail(self, arg: str | None) -> None:
        if arg is None or arg[:5].upper() != "FROM:":
            self._say(replies.BAD_SYNTAX)
            return
        try:
            path, rest = self._read_path(parse_reverse_path, arg[5:])
            parameters = parse_mail_parameters(rest) if rest else NO_PARAMETERS
        except (BadPath, BadParameter, UnknownParameter) as error:
            self._say(_bad_argument(error, replies.BAD_SENDER))
            return
        if self._has_sign_in_ended():
            self._log.info("sign-in has ended")
            self._say(replies.SIGN_IN_AGAIN)
            self._close()
            return
        if self._account is None and (too_much := self._asks_too_much()) is not None:
            why = "guesses recipients" if too_much is replies.GUESSER else "brings too much"
            self._note("sender refused", code=too_much.code, why=why)
            self._say(too_much)
            return
        ownership = self._owns_address()
        refusal = decide_mail(
            path,
            parameters,
            owns_address=ownership,
            max_octets=self.service.max_octets,
            has_room=self.service.has_room(parameters.size_octets),
        )
        if refusal is not None:
            refusal = excused(refusal, ownership)
            self.service.counters.refused_for_room += refusal is replies.DISK_FULL
            self._note("sender refused", code=refusal.code)
            self._say(refusal)
            return
        self.envelope = Transaction(path, parameters)
        self._state |= _MAIL
        self._say(replies.SENDER_OK)

    def _asks_too_much(self) -> replies.Phrase | None:
        """Did a stranger's block ask for too many that nobody is, or bring too much?"""
        service = self.service
        if not service.may_guess(self.peer) or self._is_from_us():
            return None
        if service.guessers.must_wait(self.peer):
            return replies.GUESSER
        is_too_much = service.guessers.brings_too_much(self.peer)
        return replies.TOO_MUCH_FOR_NOW if is_too_much else None

    def _read_path(self, parse: Callable[[str], tuple[Path, str]], text: str) -> tuple[Path, str]:
        """Our own people's programs and machines may leave out brackets and domain."""
        try:
            return parse(text)
        except BadPath:
            if not self._is_from_us():
                raise
            return parse(complete_path(text, self.service.settings.service.domain))

    def _rcpt(self, arg: str | None) -> None:
        if arg is None or arg[:3].upper() != "TO:":
            self._say(replies.BAD_SYNTAX)
            return
        transaction: Transaction = self.envelope
        wishes = NO_RCPT_PARAMETERS
        try:
            path, rest = self._read_path(parse_forward_path, arg[3:])
            if rest:
                wishes = parse_rcpt_parameters(rest, smtputf8=transaction.smtp_utf8)
        except (BadPath, BadParameter, UnknownParameter) as error:
            self._say(_bad_argument(error, replies.BAD_RECIPIENT))
            return
        if transaction.recipient_count >= self._max_recipients:
            # Who sends so many at once is to hear it for each of them.
            self._out.append(replies.TOO_MANY_RECIPIENTS.octets[self._language])
            self._count(replies.TOO_MANY_RECIPIENTS)
            self._spend(share_of(self.service.settings.smtp.max_errors, 2 * self._max_recipients))
            return
        address = path.address
        assert address is not None  # a forward-path is never null
        if address.domain[:1] == "[":
            address = self._meant_by_literal(address)
        recipients = self._recipients or self._fix_recipients()
        decision = recipients.decide(transaction, path, address)
        if isinstance(decision, _COPIES):
            transaction.add(path.text, decision, wishes)
        elif isinstance(decision, Forwarding):
            transaction.forward(path.text, decision, wishes)
        else:
            self._refuse_recipient(path.text, decision, address)
            return
        self._state |= _RECIPIENT
        self._say(replies.RECIPIENT_OK)

    def _refuse_recipient(
        self, recipient: str, refusal: RefusedByRule | replies.Phrase, address: Address
    ) -> None:
        if isinstance(refusal, RefusedByRule):
            phrase = replies.REFUSED_BY_RULE
            self._fill(phrase, "reason", refusal.reason)
        else:
            phrase = refusal
            self._out.append(phrase.octets[self._language])
        self._count(phrase)
        self._note("recipient refused", code=phrase.code, recipient=recipient)
        smtp, recipients = self.service.settings.smtp, self._recipients
        if recipients is not None and recipients.is_known:  # our own people: typing errors
            self._spend(share_of(smtp.max_errors, 2 * self._max_recipients))
            return
        if self._counts_as_unknown(phrase, address):
            self._unknown_count += 1
            if self.service.may_guess(self.peer):
                self.service.guessers.note_unknown(self.peer)
            if self._unknown_count >= smtp.max_unknown_recipients and not self._is_closing:
                self._say(replies.TOO_MANY_UNKNOWN)
                self._close()
        self._spend(share_of(smtp.max_errors, smtp.max_unknown_recipients))

    def _counts_as_unknown(self, phrase: replies.Phrase, address: Address) -> bool:
        """Somebody guesses addresses, or has an old list; also at a domain that was ours."""
        is_held = phrase is replies.RELAYING_DENIED and (
            fold_domain(address.domain) in self.service.ours.held
        )
        return is_held or phrase in replies.NOBODY_THERE

    def _meant_by_literal(self, address: Address) -> Address:
        """A literal of the address that the peer has reached is ours (RFC 5321 §4.1.3)."""
        sockname = self.transport.get_extra_info("sockname")
        if is_literal_of(address.domain, sockname[0] if sockname else ""):
            return Address(address.local, self.service.settings.service.domain)
        return address

    # --- the message --------------------------------------------------------------

    def _data(self, arg: str | None) -> None:
        if arg:
            self._say(replies.BAD_SYNTAX)
            return
        self._reception = Reception(
            self.service,
            is_submission=self.listener.role is Role.SUBMISSION,
            is_from_us=self._is_from_us(),
            leaves_as_ours=self.envelope.has_onward and self._is_from_us(),
            sender=self.envelope.sender,
            is_report=self.envelope.has_report,
            marks=self.envelope.marks,
            on_progress=self._disk_progressed,
        )
        self._is_receiving = True
        self._say(replies.SEND_DATA)

    def _receive(self, data: bytes) -> bytes:
        reception = self._reception
        assert reception is not None
        rest = reception.take(data)
        if rest is not None:
            self._is_receiving = False
            self._is_uploading_behind = False
            self._end_of_data(reception)
            return rest
        if reception.reader.is_endless:
            self._say(replies.MESSAGE_TOO_LARGE)
            self._close()
            return b""
        self._is_uploading_behind = reception.upload.is_behind
        if self._is_uploading_behind:
            self._pace_reading()
        return b""

    def _disk_progressed(self) -> None:
        reception = self._reception
        if reception is not None and self._is_receiving and self.transport is not None:
            self._is_uploading_behind = reception.upload.is_behind
            self._activity.heard_at_s = self.service.clock_s()
            self._pace_reading()


def _bad_argument(error: ValueError, bad_path: replies.Phrase) -> replies.Phrase:
    if isinstance(error, BadPath):
        return bad_path
    return (
        replies.UNKNOWN_PARAMETER
        if isinstance(error, UnknownParameter)
        else (replies.BAD_PARAMETER)
    )


_COPIES = (Deposit, Onward)
_AT_ONCE = {"MAIL": SmtpDoor._mail, "RCPT": SmtpDoor._rcpt, "DATA": SmtpDoor._data}  # noqa: SLF001
_TABLE: dict[bytes, tuple[Command, Any]] = {
    command.word.encode("ascii"): (
        command,
        _AT_ONCE.get(command.word) or getattr(SmtpDoor, f"smtp_{command.word}"),
    )
    for command in COMMANDS
}
