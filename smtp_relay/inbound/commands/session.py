"""What is known of a peer from EHLO to QUIT: who it says it is, who signed in, what it may do next.

aiosmtpd's session, with what our commands decide.  RFC 5321 §4.1.1, RFC 3207, RFC 4954.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import aiosmtpd.smtp

from mailserver.auth.gate import Granted, is_over
from mailserver.peers.seats import Seat
from mailserver.routing.relaying import Asker, Role
from mailserver.values.ids import accept_id_text
from mailserver.values.ip import is_loopback
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.ownership import Ownership
from smtp_relay.inbound.connection.connection import Connection
from smtp_relay.inbound.message.trace import Arrival, trace_beginning
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.transaction.policy import may_sign_in
from smtp_relay.inbound.transaction.reception import Stamp
from smtp_relay.inbound.transaction.recipients import Recipients
from smtp_relay.inbound.transaction.transaction import Transaction


class State(IntFlag):
    """What has happened on a connection."""

    HELLO = 1  # EHLO or HELO
    EXTENDED = 2  # it was EHLO
    TLS = 4
    SIGNED_IN = 8
    MAIL = 16  # a transaction is open
    RECIPIENT = 32  # at least one was accepted
    MAY_SEND = 64  # MX always; submission once signed in


HELLO = int(State.HELLO)
EXTENDED = int(State.HELLO | State.EXTENDED)
_TLS = int(State.TLS)
_SIGNED_IN = int(State.SIGNED_IN | State.MAY_SEND)
_MAY_SEND = int(State.MAY_SEND)
_MAIL = int(State.MAIL)
_RECIPIENT = int(State.RECIPIENT)
_TRANSACTION = _MAIL | _RECIPIENT


class Session(aiosmtpd.smtp.Session):
    """Owns what was learnt (`state`, `account`, who is asked about recipients) and the transaction.

    RSET drops the transaction; STARTTLS drops both, but not what was counted.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.service = connection.service
        self.listener = connection.listener
        self.voice = connection.voice
        self.loop = connection.loop
        self.peer = connection.transport.get_extra_info("peername")
        self.seat: Seat | None = None  # among all connections
        self.transaction: Transaction | None = None
        self.max_recipients = self.service.settings.smtp.max_recipients
        self.failed_sign_ins = 0
        self.unknown_recipients = 0  # since the last message that was accepted
        self._forget()

    def _forget(self) -> None:
        self.host_name: str | None = None
        self.extended_smtp = False
        self.authenticated: bool | None = None
        self.account: Granted | None = None
        self.state = self._first_state()
        self._forget_arrival()

    def _forget_arrival(self) -> None:
        self._arrival: Arrival | None = None
        self._recipients: Recipients | None = None
        self._beginnings: dict[bool, bytes] = {}  # of trace headers, by SMTPUTF8

    def _first_state(self) -> int:
        state = _TLS if self.connection.is_over_tls else 0
        may_send = self.listener.role is Role.MX or self.service.may_relay_unsigned(
            self.connection.peer
        )
        return state | _MAY_SEND if may_send else state

    # --- what happens ---------------------------------------------------------------

    def greet(self, hostname: str, state: int) -> None:
        """state: HELLO or EXTENDED."""
        self.drop()
        self.state = (self.state & ~EXTENDED) | state
        self.host_name = hostname
        self.extended_smtp = state == EXTENDED
        self._forget_arrival()

    def restart(self) -> None:
        """RFC 3207 §4.2: nothing learnt in clear counts after the handshake."""
        self.drop()
        self._forget()

    def sign_in(self, account: Granted) -> None:
        self.account = account
        self.authenticated = True
        self.state |= _SIGNED_IN
        self._forget_arrival()

    def open(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.state |= _MAIL

    def has_recipient(self) -> None:
        self.state |= _RECIPIENT

    def drop(self) -> None:
        """Drop the transaction; a message that is being committed is not touched."""
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.drop()
        self.connection.receive(None)
        self.state &= ~_TRANSACTION

    # --- what follows from it ---------------------------------------------------------

    @property
    def recipients(self) -> Recipients:
        return self._recipients or self._fix_recipients()

    def _fix_recipients(self) -> Recipients:
        service, account, peer = self.service, self.account, self.connection.peer
        asker = Asker(
            role=self.listener.role,
            is_signed_in=account is not None,
            is_trusted=service.is_trusted(peer),
            is_gateway=service.is_gateway(peer),
        )
        stranger = "" if asker.is_known or not service.may_guess(peer) else peer
        self._recipients = Recipients(service, asker, account, peer=stranger)
        return self._recipients

    @property
    def is_from_us(self) -> bool:
        """Has somebody of ours signed in, or does it come from a trusted network?"""
        return self.recipients.is_known

    def asks_too_much(self) -> Phrase | None:
        """Did a stranger's block ask for too many that nobody is, or bring too much?"""
        service, peer = self.service, self.connection.peer
        if not service.may_guess(peer) or self.is_from_us:
            return None
        if service.guessers.must_wait(peer):
            return replies.GUESSER
        return replies.TOO_MUCH_FOR_NOW if service.guessers.brings_too_much(peer) else None

    @property
    def has_sign_in_ended(self) -> bool:
        """Suspended, deleted or given another password since: one indexed read per message."""
        account, service = self.account, self.service
        return account is not None and is_over(
            service.store.accounts, account, now_s=service.wall_s()
        )

    def owns_address(self) -> Ownership | None:
        """Does the account that sends own this address?  None: no account sends."""
        account, service = self.account, self.service
        if account is None:
            return None
        return Ownership(
            service.store.accounts, service.store.people, service.ours, account.account_id
        )

    def may_sign_in(self) -> Phrase | None:
        """May a password travel?"""
        return may_sign_in(
            role=self.listener.role,
            has_tls=self.connection.is_over_tls,
            plaintext_allowed=self.listener.allows_plaintext and is_loopback(self.connection.peer),
        )

    def _fix_arrival(self) -> Arrival:
        assert self.host_name is not None  # MAIL needs it
        connection = self.connection
        self._arrival = Arrival(
            hello=self.host_name,
            peer=connection.peer,
            hostname=self.service.hostname,
            is_extended=self.extended_smtp,
            is_signed_in=self.account is not None,
            tls=_tls_text(connection.transport) if connection.is_over_tls else "",
        )
        return self._arrival

    def stamp(self, transaction: Transaction) -> Stamp:
        """Of a message whose final dot has come."""
        service, smtputf8 = self.service, transaction.smtp_utf8
        now_s = service.wall_s()
        accept_id = service.accept_ids.make(now_s)
        arrival = self._arrival or self._fix_arrival()
        beginning = self._beginnings.get(smtputf8)
        if beginning is None:
            beginning = trace_beginning(arrival, smtputf8=smtputf8)
            self._beginnings[smtputf8] = beginning
        return Stamp(
            accept_id=accept_id,
            text=accept_id_text(accept_id),
            at_s=now_s,
            date=service.dates.at(now_s),
            arrival=arrival,
            beginning=beginning,
            listener=self.listener.name,
            account=self.account,
        )


def _tls_text(transport: Any) -> str:
    cipher = transport.get_extra_info("cipher") if transport is not None else None
    if not cipher:
        return "TLS"
    name, version, bits = cipher
    ssl_object = transport.get_extra_info("ssl_object")
    return f"{ssl_object.version() if ssl_object else version} with cipher {name} ({bits} bits)"
