"""Letters about limits, in the reader's language: a sending limit was
passed, a mailbox is nearly full.

Made here and accepted like any other message, under the null sender: no
program answers it (RFC 3834 §5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from mailserver.quota.sending import Passed
from mailserver.texts.catalogue import Language, Text
from mailserver.values.ids import AcceptId, MailboxId, accept_id_text
from mailserver.values.message import Acceptance, Deposit, InlineBody, NewCopy, Notify, facts_of
from mailserver.values.moments import mail_date
from mailserver.values.organisation import Organisation

DOOR: Final = "local"

HELD_SUBJECT = Text(
    fr="Vos envois sont retenus",
    en="What you send is held",
)
HELD_TEXT = Text(
    fr="""Bonjour,

Le compte {identifier} a envoyé en peu de temps plus de messages vers l'extérieur
que sa limite ne le permet ({reason}).

Rien n'est perdu : ce qui dépasse la limite est retenu, et partira quand un
administrateur l'aura vérifié. Le courrier entre nos boîtes n'est pas retenu,
mais ce qui va à des listes l'est.

Si ces envois ne sont pas de vous, quelqu'un d'autre se sert de votre compte :
prévenez maintenant votre correspondant ou {help}, pour que le mot de passe soit
changé. S'ils sont de vous, écrivez à {help} pour qu'ils partent.
""",
    en="""Hello,

The account {identifier} has sent more messages elsewhere in a short time
than its limit allows ({reason}).

Nothing is lost: what is over the limit is held, and leaves once an
administrator has looked at it. Mail between our own mailboxes is not held,
but what goes to lists is.

If you did not send this, somebody else is using your account: tell your
correspondent or {help} now, so that the password is changed.
If you did, write to {help} to have it released.
""",
)

FULL_SUBJECT = Text(
    fr="Votre boîte est presque pleine ({percent} %)",
    en="Your mailbox is nearly full ({percent} %)",
)
FULL_TEXT = Text(
    fr="""Bonjour,

Votre boîte est remplie à {percent} %. Quand elle sera pleine, les messages
qu'on vous envoie seront retardés, puis refusés.

Supprimez d'abord les plus gros messages. Si votre logiciel de courrier laisse
une copie sur le serveur, réglez-le pour qu'il la retire.

Besoin d'aide : {help}
""",
    en="""Hello,

Your mailbox is {percent} % full. Once it is full, messages that are sent to
you will be delayed, then refused.

Delete the largest messages first. If your mail program leaves a copy on the
server, set it to remove that copy.

For help: {help}
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReader:
    """Whose mailbox gets the letter."""

    mailbox_id: MailboxId
    address: str
    language: Language


def sending_held(
    organisation: Organisation,
    reader: NoticeReader,
    *,
    identifier: str,
    passed: Passed,
    accept_id: AcceptId,
    now_s: float,
) -> Acceptance:
    """Tell one reader that an account has passed a limit."""
    reason = passed.words(reader.language)
    text = HELD_TEXT.in_language(reader.language).format(
        identifier=identifier, reason=reason, help=organisation.help
    )
    subject = HELD_SUBJECT.in_language(reader.language)
    return accepted_letter(organisation, reader, subject, text, accept_id=accept_id, now_s=now_s)


def nearly_full(
    organisation: Organisation,
    reader: NoticeReader,
    *,
    percent: int,
    accept_id: AcceptId,
    now_s: float,
) -> Acceptance:
    """Tell an account how full its mailbox is."""
    words = {"percent": percent, "help": organisation.help}
    subject = FULL_SUBJECT.in_language(reader.language).format(**words)
    text = FULL_TEXT.in_language(reader.language).format(**words)
    return accepted_letter(organisation, reader, subject, text, accept_id=accept_id, now_s=now_s)


def accepted_letter(
    organisation: Organisation,
    reader: NoticeReader,
    subject: str,
    text: str,
    *,
    accept_id: AcceptId,
    now_s: float,
) -> Acceptance:
    """Deposited in the reader's own mailbox, whatever they have forwarded: it goes no further."""
    id_text, date = accept_id_text(accept_id), format_datetime(datetime.fromtimestamp(now_s, UTC))
    letter = _letter(organisation, reader, subject, text)
    letter["Date"] = mail_date(now_s, organisation.time_zone)
    letter["Message-ID"] = f"<{id_text}@{organisation.hostname}>"
    octets = letter.as_bytes()
    return Acceptance(
        accept_id=accept_id,
        accepted_at_s=now_s,
        return_path=b"Return-Path: <>\r\n",
        head=f"Received: by {organisation.hostname} id {id_text}; {date}\r\n".encode("ascii"),
        body=InlineBody(octets),
        facts=facts_of(octets),
        reverse_path="",
        account_id=None,
        peer="",
        door=DOOR,
        smtputf8=False,
        copies=(
            NewCopy(
                recipient=reader.address,
                route=Deposit(mailbox_id=reader.mailbox_id),
                notify=Notify.NEVER,
            ),
        ),
    )


def _letter(
    organisation: Organisation, reader: NoticeReader, subject: str, text: str
) -> EmailMessage:
    letter = EmailMessage(policy=SMTP)
    letter["From"] = organisation.help
    letter["To"] = reader.address
    letter["Subject"] = subject
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text, cte="quoted-printable")
    return letter
