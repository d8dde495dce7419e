"""A message of the service to one of its people: composed, routed, and accepted like any other.

It comes from postmaster with the null sender, so nothing bounces and no
vacation notice answers (RFC 3834 §5).  One that leaves is queued.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol

from mailserver.routing.relaying import make_schedule
from mailserver.routing.rules import match_rule, next_hop_of
from mailserver.settings.model import Settings
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.writes import Failed, Writes
from mailserver.values.address import Address, fold_domain, quote_mailbox
from mailserver.values.ids import AcceptId, MailboxId, accept_id_text, make_accept_id
from mailserver.values.message import (
    Acceptance,
    Deposit,
    InlineBody,
    NewCopy,
    Notify,
    Relay,
    facts_of,
)
from mailserver.values.moments import mail_date

DOOR = "local"
_RANDOM_OCTETS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryLetter:
    to: str
    subject: str
    text: str


class SignsLetters(Protocol):
    """`mailserver.dkim.signer.Signer`, which loads more than who never signs should pay for."""

    def sign_pieces(
        self, header_block: bytes, body: Iterable[bytes], /, *, now_s: float
    ) -> bytes: ...


class FindsMailbox(Protocol):
    def find_mailbox(self, address_key: str) -> MailboxId | None: ...


class LetterStore(Protocol):
    @property
    def writes(self) -> Writes: ...

    @property
    def accounts(self) -> FindsMailbox: ...


class Post:
    """One per process."""

    def __init__(
        self,
        store: LetterStore,
        settings: Settings,
        *,
        signer: SignsLetters | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._settings = settings
        self._schedule = make_schedule(settings.delivery)
        self._domains = tuple(map(fold_domain, settings.service.domains))
        self._signer = signer
        self._draw = draw

    @property
    def help_address(self) -> str:
        return f"postmaster@{self._domains[0]}"

    def send(
        self, letter: RecoveryLetter, *, now_s: float, mailbox_id: MailboxId | None = None
    ) -> bool:
        """Accept it, durably.  mailbox_id: where it is known already; False: nobody is there.

        Raises:
            StoreUnavailable: it is not accepted.
        """
        accept_id = make_accept_id(now_s, self._draw(_RANDOM_OCTETS))
        return self.send_once(letter, accept_id, now_s=now_s, mailbox_id=mailbox_id)

    def send_once(
        self,
        letter: RecoveryLetter,
        accept_id: AcceptId,
        *,
        now_s: float,
        mailbox_id: MailboxId | None = None,
    ) -> bool:
        """As `send`; the same accept id a second time does nothing."""
        if self._store.writes.find_accepted(accept_id) is not None:
            return True
        route = self._route(letter.to, mailbox_id, now_s)
        if route is None:
            return False
        outcome = self._store.writes.apply([self._acceptance(letter, accept_id, route, now_s)])[0]
        if isinstance(outcome, Failed):
            raise StoreUnavailable("a letter was not accepted") from outcome.error
        return True

    def _route(self, to: str, known: MailboxId | None, now_s: float) -> Deposit | Relay | None:
        if known is not None:
            return Deposit(mailbox_id=known)
        local, _, domain = to.rpartition("@")
        address = Address(local, domain)
        if fold_domain(domain) in self._domains:
            mailbox_id = self._store.accounts.find_mailbox(address.key)
            return None if mailbox_id is None else Deposit(mailbox_id=mailbox_id)
        rule = match_rule(self._settings.routes, recipient=address, sender=None, identifier=None)
        if rule is not None and rule.via == "refuse":
            return None
        tell_at_s = self._schedule.next_tell(accepted_at_s=now_s, now_s=now_s)
        return Relay(next_hop=next_hop_of(rule, address), turn_at_s=now_s, tell_at_s=tell_at_s)

    def _acceptance(
        self, letter: RecoveryLetter, accept_id: AcceptId, route: Deposit | Relay, now_s: float
    ) -> Acceptance:
        date = format_datetime(datetime.fromtimestamp(now_s, UTC))
        id_text, hostname = accept_id_text(accept_id), self._settings.service.hostname
        sent_at = mail_date(now_s, self._settings.service.time_zone)
        octets = self._compose(letter, sent_at, f"<{id_text}@{hostname}>")
        head = f"Received: by {hostname} id {id_text};\r\n\t{date}\r\n".encode("ascii")
        if self._signer is not None and isinstance(route, Relay):
            at = octets.index(b"\r\n\r\n") + 4
            head = self._signer.sign_pieces(head + octets[:at], [octets[at:]], now_s=now_s) + head
        return Acceptance(
            accept_id=accept_id,
            accepted_at_s=now_s,
            return_path=b"Return-Path: <>\r\n",
            head=head,
            body=InlineBody(octets),
            facts=facts_of(octets),
            reverse_path="",
            account_id=None,
            peer="",
            door=DOOR,
            smtputf8=False,
            copies=(NewCopy(recipient=letter.to, route=route, notify=Notify.NEVER),),
        )

    def _compose(self, letter: RecoveryLetter, date: str, message_id: str) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["From"] = HeaderAddress("Postmaster", addr_spec=self.help_address)
        message["To"] = quote_mailbox(_in_ascii(letter.to))
        message["Subject"] = letter.subject
        message["Date"] = date
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text, cte="quoted-printable")
        return message.as_bytes()


def _in_ascii(address: str) -> str:
    """The same mailbox: RFC 2047 §5 lets no accent be encoded within an address."""
    local, _, domain = address.rpartition("@")
    return address if address.isascii() else Address(local, domain).key
