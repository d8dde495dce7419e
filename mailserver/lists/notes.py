"""What a list writes by itself: to moderators, to who joins or leaves, to owners.

Plain text, in the list's language.  Every note says `Auto-Submitted` and has
the null sender, so that no program answers it (RFC 3834 §3.1.4, §5); all but a
probe, whose sender is there for what comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from enum import Enum

from mailserver.lists.addresses import ListPurpose, address_for
from mailserver.lists.header import split_fields
from mailserver.store.ports.lists import MailingList
from mailserver.texts.catalogue import Text
from mailserver.values.address import quote_mailbox


class ListNote(Enum):
    MODERATE = "moderate"
    CONFIRM_JOIN = "confirm-join"
    CONFIRM_LEAVE = "confirm-leave"
    JOINED = "joined"
    LEFT = "left"
    CLOSED = "closed"
    HELP = "help"
    PROBE = "probe"
    STOPPED = "stopped"
    NOT_UNDERSTOOD = "not-understood"
    NOT_POSTED = "not-posted"
    TOO_MANY = "too-many"


_SUBJECTS = {
    ListNote.MODERATE: Text("À valider : {subject}", "To approve: {subject}"),
    ListNote.CONFIRM_JOIN: Text("Confirmez votre inscription", "Confirm that you join"),
    ListNote.CONFIRM_LEAVE: Text("Confirmez votre départ", "Confirm that you leave"),
    ListNote.JOINED: Text("Vous êtes membre de {address}", "You are a member of {address}"),
    ListNote.LEFT: Text("Vous avez quitté {address}", "You have left {address}"),
    ListNote.CLOSED: Text("Inscription impossible à {address}", "You cannot join {address}"),
    ListNote.HELP: Text("Comment utiliser {address}", "How to use {address}"),
    ListNote.PROBE: Text(
        "Nous n'arrivons pas à vous écrire de {address}", "We could not reach you from {address}"
    ),
    ListNote.STOPPED: Text("Envois suspendus pour {member}", "Mail stopped for {member}"),
    ListNote.NOT_UNDERSTOOD: Text("Réponse non comprise", "Your answer was not understood"),
    ListNote.NOT_POSTED: Text("Non publié sur {address}", "Not posted to {address}"),
    ListNote.TOO_MANY: Text("Trop de demandes pour {address}", "Too many requests to {address}"),
}
_TEXTS = {
    ListNote.MODERATE: Text(
        "Un message attend votre accord sur la liste {address}.\n\n"
        "De : {author}\nObjet : {subject}\n\n"
        "Pour le publier, répondez à ce message avec le mot « approuver ».\n"
        "Pour le refuser, répondez avec le mot « refuser ».\n"
        "Répondez depuis votre propre compte de messagerie. Le message est joint.\n",
        "A message waits for your word on the list {address}.\n\n"
        "From: {author}\nSubject: {subject}\n\n"
        "To publish it, answer this message with the word `approve`.\n"
        "To refuse it, answer with the word `reject`.\n"
        "Answer from your own account.  The message is attached.\n",
    ),
    ListNote.CONFIRM_JOIN: Text(
        "Quelqu'un, vous peut-être, demande que cette adresse reçoive la liste {address}.\n"
        "Si c'est vous, répondez simplement à ce message. Sinon, ne faites rien.\n",
        "Somebody, perhaps you, asks that this address get the list {address}.\n"
        "If it was you, just answer this message. If not, do nothing.\n",
    ),
    ListNote.CONFIRM_LEAVE: Text(
        "Quelqu'un, vous peut-être, demande que cette adresse quitte la liste {address}.\n"
        "Si c'est vous, répondez simplement à ce message. Sinon, ne faites rien.\n",
        "Somebody, perhaps you, asks that this address leave the list {address}.\n"
        "If it was you, just answer this message. If not, do nothing.\n",
    ),
    ListNote.JOINED: Text(
        "Vous recevrez désormais les messages de la liste {address}.\n"
        "Pour la quitter, écrivez à {leave}.\n",
        "You will get the messages of the list {address}.\nTo leave it, write to {leave}.\n",
    ),
    ListNote.LEFT: Text(
        "Vous ne recevrez plus les messages de la liste {address}.\n",
        "You will get no more messages of the list {address}.\n",
    ),
    ListNote.CLOSED: Text(
        "On ne s'inscrit pas soi-même à la liste {address}. Écrivez à {owner}.\n",
        "Nobody joins the list {address} by themselves. Write to {owner}.\n",
    ),
    ListNote.HELP: Text(
        "Liste {address} : {description}\n\n"
        "S'inscrire : {join}\nQuitter : {leave}\nResponsables : {owner}\n",
        "List {address}: {description}\n\nJoin: {join}\nLeave: {leave}\nOwners: {owner}\n",
    ),
    ListNote.PROBE: Text(
        "Des messages de la liste {address} n'ont pas pu être remis à votre adresse, {member} :\n"
        "le serveur qui s'en occupe répond qu'elle n'existe pas, ou qu'elle est fermée.\n\n"
        "Si vous lisez ceci, elle fonctionne : il n'y a rien à faire, et vous restez membre.\n"
        "Si ce message revient lui aussi, vous ne recevrez plus la liste.\n"
        "Pour la quitter, écrivez à {leave}. Questions : {owner}\n",
        "Messages of the list {address} could not be delivered to your address, {member}:\n"
        "the server in charge of it says that it does not exist, or is closed.\n\n"
        "If you read this, it works: there is nothing to do, and you stay a member.\n"
        "If this message comes back, too, you will get the list no more.\n"
        "To leave it, write to {leave}. Questions: {owner}\n",
    ),
    ListNote.STOPPED: Text(
        "Plusieurs messages de la liste {address} n'ont pas pu être remis à {member},\n"
        "parce que cette adresse n'existe pas ou est fermée ; un dernier message d'essai\n"
        "est revenu lui aussi.\n"
        "Ce membre ne reçoit plus rien. Pour rétablir les envois, inscrivez-le à nouveau.\n",
        "Several messages of the list {address} could not be delivered to {member},\n"
        "because that address does not exist or is closed; a last message to try it\n"
        "came back, too.\n"
        "This member gets nothing more. To start again, add the member again.\n",
    ),
    ListNote.NOT_UNDERSTOOD: Text(
        "Votre réponse sur la liste {address} n'a pas été comprise, et rien n'a été fait.\n"
        "Répondez à nouveau, avec pour premier mot « approuver » ou « refuser ».\n",
        "Your answer about the list {address} was not understood; nothing was done.\n"
        "Answer again; the first word must be `approve` or `reject`.\n",
    ),
    ListNote.NOT_POSTED: Text(
        "Votre message « {subject} » est arrivé par une autre liste à {address},\n"
        "où vous ne pouvez pas écrire : ses membres ne l'ont pas reçu.\n"
        "Pour le pouvoir, écrivez à {owner}.\n",
        "Your message `{subject}` came through another list to {address},\n"
        "to which you may not post: its members did not get it.\n"
        "To be let in, write to {owner}.\n",
    ),
    ListNote.TOO_MANY: Text(
        "La liste {address} reçoit de l'extérieur trop de demandes ou de messages à valider.\n"
        "Une partie reste sans réponse ; les messages à valider attendent tous.\n"
        "Quelqu'un écrit peut-être sous de faux noms. Il n'y a rien à faire, et vous\n"
        "recevrez cet avis au plus une fois par jour.\n",
        "The list {address} gets too many requests, or posts to approve, from outside.\n"
        "Some of them get no answer; posts to approve all wait.\n"
        "Somebody perhaps writes under forged names.  There is nothing to do, and you\n"
        "get this note once a day at most.\n",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteFacts:
    """What a note may have to say besides its list."""

    to: str
    id_text: str
    date: str
    author: str = ""
    subject: str = ""
    member: str = ""
    reply_to: str = ""


def compose_note(
    note: ListNote, which: MailingList, facts: NoteFacts, *, post: bytes = b""
) -> bytes:
    """The whole message, CRLF lines; ASCII on the wire, but for what is in the post.

    post: attached as it is, where it is not empty.
    """
    words = {
        "address": which.address,
        "description": which.description,
        "owner": address_for(which.address, ListPurpose.OWNER),
        "join": address_for(which.address, ListPurpose.SUBSCRIBE),
        "leave": address_for(which.address, ListPurpose.UNSUBSCRIBE),
        "author": facts.author,
        "subject": facts.subject,
        "member": facts.member,
    }
    language = which.language
    message = EmailMessage(policy=SMTP)
    local, _, domain = which.address.rpartition("@")
    owner = address_for(which.address, ListPurpose.OWNER)
    message["From"] = HeaderAddress(which.prefix or local, addr_spec=owner)
    message["To"] = quote_mailbox(facts.to)
    message["Subject"] = _SUBJECTS[note].in_language(language).format(**words)
    message["Date"] = facts.date
    message["Message-ID"] = f"<{facts.id_text}@{domain}>"
    if facts.reply_to:
        message["Reply-To"] = facts.reply_to
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_TEXTS[note].in_language(language).format(**words), cte="quoted-printable")
    octets = message.as_bytes()
    return _with_post(octets, post, facts.id_text) if post else octets


def _with_post(octets: bytes, post: bytes, id_text: str) -> bytes:
    """RFC 2046 §5.1, §5.2.1: the text first, then the post, which no parser of ours has touched."""
    fields, rest = split_fields(octets)
    of_text = b"".join(field.octets for field in fields if field.name.startswith(b"content-"))
    others = b"".join(field.octets for field in fields if not field.name.startswith(b"content-"))
    boundary = f"=-{id_text}-=".encode("ascii")
    way = b"7bit" if post.isascii() else b"8bit"
    return b"".join(
        (
            others,
            b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n',
            b"Content-Transfer-Encoding: " + way + b"\r\n",
            b"\r\n--" + boundary + b"\r\n" + of_text + rest,
            b"\r\n--" + boundary + b"\r\n",
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + way + b"\r\n\r\n",
            post + b"\r\n--" + boundary + b"--\r\n",
        )
    )
