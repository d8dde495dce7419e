"""The letter to who forwards their mail: something was not sent on, and stays in the mailbox.

Whoever lives by their forward looks here otherwise never.  It may be a forger who made
the service write it, so it names them by a plain address or not at all, and quotes nothing.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from mailserver.quota.notice import NoticeReader, accepted_letter
from mailserver.texts.catalogue import Language, Text
from mailserver.values.ids import AcceptId
from mailserver.values.message import Acceptance
from mailserver.values.organisation import Organisation

_PLAIN: Final = re.compile(r"[A-Za-z0-9._+=-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}")
_LINKED: Final = re.compile(r"www|http", re.IGNORECASE)
MOST_SHOWN_CHARACTERS: Final = 100


class StayReason(Enum):
    """Why a forward withholds a message."""

    UNVOUCHED = Text(
        fr="il porte une adresse de chez nous sans que personne ne se soit identifié pour\n"
        "l'envoyer : il est peut-être faux, et ne part pas en notre nom",
        en="it bears an address of ours, and nobody signed in to send it: it may be forged,\n"
        "and does not leave in our name",
    )
    NUL = Text(
        fr="il contient des caractères qu'aucun autre serveur n'est tenu d'accepter",
        en="it holds characters that no other server has to accept",
    )
    NO_WAY = Text(
        fr="rien ne peut être envoyé d'ici à l'adresse choisie",
        en="nothing can be sent from here to the address that was chosen",
    )
    TOO_MUCH = Text(
        fr="trop de messages étaient à renvoyer dans l'heure",
        en="too many messages were to be sent on within the hour",
    )


SUBJECT: Final = Text(
    fr="Du courrier reste dans votre boîte",
    en="Mail stays in your mailbox",
)
TEXT: Final = Text(
    fr="""Bonjour,

Vous faites renvoyer le courrier de {address} vers une autre adresse. Un message
n'a pas été renvoyé :

    {why}.

Expéditeur annoncé : {sender}

Rien n'est perdu : il est resté ici, dans votre boîte, et d'autres peuvent y rester
de même. Relevez-la de temps en temps. Ceci ne vous est rappelé qu'une fois par mois,
s'il en reste encore.

Besoin d'aide : {help}
""",
    en="""Hello,

You have the mail of {address} sent on to another address. A message was not
sent on:

    {why}.

It says it is from: {sender}

Nothing is lost: it is here, in your mailbox, and others may stay here likewise.
Look into it now and then. You are told so once a month at most, if there is more.

For help: {help}
""",
)
_UNSHOWN: Final = Text(
    fr="une adresse qui n'est pas montrée ici", en="an address that is not shown here"
)
_NOBODY: Final = Text(fr="personne (un automate)", en="nobody (a machine)")


def shown_sender(reverse_path: str, language: Language) -> str:
    """A plain address as it is; of anything else that it is there."""
    if not reverse_path:
        return _NOBODY.in_language(language)
    is_plain = _PLAIN.fullmatch(reverse_path) and not _LINKED.search(reverse_path)
    if is_plain and len(reverse_path) <= MOST_SHOWN_CHARACTERS:
        return reverse_path
    return _UNSHOWN.in_language(language)


def something_stays(
    organisation: Organisation,
    reader: NoticeReader,
    *,
    why: StayReason,
    reverse_path: str,
    accept_id: AcceptId,
    now_s: float,
) -> Acceptance:
    """Tell a mailbox's holder, in that mailbox."""
    language = reader.language
    text = TEXT.in_language(language).format(
        address=reader.address,
        why=why.value.in_language(language).replace("\n", "\n    "),
        sender=shown_sender(reverse_path, language),
        help=organisation.help,
    )
    subject = SUBJECT.in_language(language)
    return accepted_letter(organisation, reader, subject, text, accept_id=accept_id, now_s=now_s)
