"""The welcome message: made here, accepted by the store like any other.

    Return-Path: <postmaster@ac-exemple.fr>
    Delivered-To: ...                              (the store's)
    Received: by mail.ac-exemple.fr id ...         no session brought it
    From, To, Subject, Date, Message-ID, MIME      RFC 5322, RFC 2045, RFC 2047

The body is ASCII on the wire (quoted-printable), lines end with CRLF.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from mailserver.demo.cast import Cast, CastMember
from mailserver.values.ids import AcceptId, AccountId, MailboxId, accept_id_text
from mailserver.values.message import Acceptance, Deposit, InlineBody, NewCopy, facts_of
from mailserver.values.moments import mail_date

DOOR = "local"
"""Stands where the listener's name does: made in this process, no peer."""


def welcome(
    cast: Cast,
    member: CastMember,
    *,
    mailbox_id: MailboxId,
    author_id: AccountId,
    accept_id: AcceptId,
    now_s: float,
    time_zone: str = "",
) -> Acceptance:
    """One copy, for this member's mailbox.  author_id: the postmaster's account."""
    author, date = cast.postmaster.address, format_datetime(datetime.fromtimestamp(now_s, UTC))
    id_text = accept_id_text(accept_id)
    letter = compose(
        author=HeaderAddress(cast.welcome.from_name, addr_spec=author),
        recipients=[HeaderAddress(member.name, addr_spec=member.address)],
        subject=cast.welcome.subject.format(name=member.name),
        text=_text(cast, member),
        date=mail_date(now_s, time_zone),
        message_id=f"<{id_text}@{cast.hostname}>",
    )
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no vacation notice answers it
    octets = letter.as_bytes()
    received = f"Received: by {cast.hostname} id {id_text}\r\n\tfor <{member.address}>; {date}\r\n"
    return Acceptance(
        accept_id=accept_id,
        accepted_at_s=now_s,
        return_path=f"Return-Path: <{author}>\r\n".encode("ascii"),
        head=received.encode("ascii"),
        body=InlineBody(octets),
        facts=facts_of(octets),
        reverse_path=author,
        account_id=author_id,
        peer="",
        door=DOOR,
        smtputf8=False,
        copies=(NewCopy(recipient=member.address, route=Deposit(mailbox_id=mailbox_id)),),
    )


def compose(
    *,
    author: HeaderAddress,
    recipients: list[HeaderAddress],
    subject: str,
    text: str,
    date: str,
    message_id: str,
) -> EmailMessage:
    """A message whose octets are ASCII with CRLF, whatever the letters in it."""
    letter = EmailMessage(policy=SMTP)
    letter["From"] = author
    letter["To"] = recipients
    letter["Subject"] = subject
    letter["Date"] = date
    letter["Message-ID"] = message_id
    letter.set_content(text.lstrip("\n"), cte="quoted-printable")
    return letter


def _text(cast: Cast, member: CastMember) -> str:
    aliases = "".join(
        cast.welcome.alias_line.format(alias=alias) + "\n" for alias in member.addresses[1:]
    )
    return cast.welcome.text.format(
        name=member.name,
        identifier=member.identifier,
        address=member.address,
        aliases=aliases,
    )
