"""What this door says: every reply with a sentence, in French and in English.

A reply is `+OK` or `-ERR`, a response code where RFC 2449 §8 or RFC 3206 has
one, and one ASCII sentence that says what to do.  Replies whose content the
protocol fixes (STAT, LIST n, UIDL n) have no sentence and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from mailserver.peers.refusals import Why
from mailserver.texts.catalogue import Language, Text

MAX_REPLY_OCTETS = 512  # RFC 1939 §3, the CRLF included


class Say(Enum):
    """Status and code, then the sentence.  `{...}` is filled in by `speak`."""

    GREETING = (
        "+OK",
        Text(
            fr="{hostname} pret a servir votre courrier", en="{hostname} ready to serve your mail"
        ),
    )
    SEND_PASSWORD = (
        "+OK",
        Text(fr="Donnez le mot de passe avec PASS", en="Now send the password with PASS"),
    )
    BEGIN_TLS = ("+OK", Text(fr="Commencez la negociation TLS", en="Begin TLS negotiation"))
    CAPABILITIES = ("+OK", Text(fr="Voici ce que je sais faire", en="Here is what I can do"))
    NOTHING_DONE = ("+OK", Text(fr="Rien a faire", en="Nothing to do"))
    RESET = ("+OK", Text(fr="Plus aucun message n'est marque", en="No message is marked any more"))
    DELETED = (
        "+OK",
        Text(fr="Message marque, il sera efface a QUIT", en="Message marked, it goes at QUIT"),
    )
    LINES_FOLLOW = (
        "+OK",
        Text(fr="Voici le debut du message", en="The top of the message follows"),
    )
    GOODBYE = ("+OK", Text(fr="Au revoir", en="Goodbye"))

    UNKNOWN = ("-ERR", Text(fr="Commande inconnue", en="Unknown command"))
    SYNTAX = (
        "-ERR",
        Text(fr="Erreur de syntaxe, verifiez la commande", en="Syntax error, check the command"),
    )
    TOO_LONG = (
        "-ERR",
        Text(fr="Ligne trop longue, raccourcissez-la", en="Line too long, shorten it"),
    )
    WRONG_STATE = (
        "-ERR",
        Text(fr="Commande impossible a ce stade", en="Command not permitted at this point"),
    )
    USER_FIRST = ("-ERR", Text(fr="Donnez d'abord USER", en="Send USER first"))
    TLS_FIRST = (
        "-ERR",
        Text(
            fr="Mot de passe refuse en clair, commencez par STLS",
            en="No password in the clear, send STLS first",
        ),
    )
    CANNOT_SERVE = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Service momentanement indisponible, reessayez dans quelques minutes",
            en="The service cannot answer for now, try again in a few minutes",
        ),
    )
    TLS_FROM_THE_START = (
        "-ERR [SYS/PERM]",
        Text(
            fr="Ce port parle TLS des le premier octet, choisissez SSL/TLS dans votre programme",
            en="This port speaks TLS from the first octet, choose SSL/TLS in your program",
        ),
    )
    TLS_ACTIVE = ("-ERR", Text(fr="TLS est deja actif", en="Command not permitted when TLS active"))
    TLS_ABSENT = ("-ERR", Text(fr="TLS n'est pas disponible ici", en="TLS is not available here"))
    TLS_NOT_ALONE = (
        "-ERR",
        Text(
            fr="Rien ne doit suivre STLS, reconnectez-vous",
            en="Nothing may follow STLS, connect again",
        ),
    )
    NO_SUCH_MESSAGE = (
        "-ERR",
        Text(fr="Pas de message de ce numero (no such message)", en="no such message"),
    )
    MESSAGE_GONE = (
        "-ERR",
        Text(
            fr="Ce message vient d'etre supprime ailleurs",
            en="This message was just removed elsewhere",
        ),
    )
    BODY_LOST = (
        "-ERR [SYS/PERM]",
        Text(
            fr="Le contenu de ce message manque sur le serveur, prevenez votre administrateur",
            en="The content of this message is missing on the server, tell your administrator",
        ),
    )
    BODY_UNREADABLE = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Le serveur ne peut pas lire ce message en ce moment, reessayez plus tard",
            en="The server cannot read this message at this moment, try again later",
        ),
    )
    WRONG_PASSWORD = (
        "-ERR [AUTH]",
        Text(
            fr="Identifiant ou mot de passe refuse, verifiez-les",
            en="User name or password refused, check both",
        ),
    )
    FIRST_PASSWORD_ENDED = (
        "-ERR [AUTH]",
        Text(
            fr="Votre premier mot de passe a pris fin, demandez-en un autre a votre correspondant",
            en="Your first password has ended, ask your correspondent for another one",
        ),
    )
    SIGNED_OUT = (
        "-ERR [AUTH]",
        Text(
            fr="Votre compte ou son mot de passe a change, reconnectez-vous avec le nouveau",
            en="Your account or its password has changed, connect again with the new one",
        ),
    )
    MAILDROP_IN_USE = (
        "-ERR [IN-USE]",
        Text(
            fr="Un autre logiciel releve cette boite, reessayez dans un instant",
            en="Another program is collecting this mailbox, try again in a moment",
        ),
    )
    TRY_LATER = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Service indisponible, reessayez plus tard",
            en="Service unavailable, try again later",
        ),
    )
    SLOWED = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Trop de mots de passe essayes, gardez le votre et attendez un quart d'heure",
            en="Too many passwords were tried, keep yours and wait a quarter of an hour",
        ),
    )
    TOO_MANY_ERRORS = (
        "-ERR",
        Text(fr="Trop d'erreurs, connexion fermee", en="Too many errors, closing the connection"),
    )
    NOT_POP3 = (
        "-ERR",
        Text(
            fr="Ici on parle POP3, et rien d'autre, connexion fermee",
            en="This port speaks POP3 and nothing else, closing the connection",
        ),
    )
    TOO_MANY_SESSIONS = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Trop de connexions, reessayez plus tard", en="Too many connections, try again later"
        ),
    )
    TOO_MANY_FROM_THERE = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Trop de connexions depuis votre reseau, reessayez dans quelques minutes",
            en="Too many connections from your network, try again in a few minutes",
        ),
    )
    MAKE_ROOM = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Toutes les places sont prises et cette connexion attend, reessayez plus tard",
            en="All places are taken and this connection is idle, try again later",
        ),
    )
    NOTHING_REMOVED = (
        "-ERR [SYS/TEMP]",
        Text(
            fr="Aucun message n'a ete efface, reessayez plus tard",
            en="No message was removed, try again later",
        ),
    )

    def __init__(self, status: str, text: Text) -> None:
        self.status = status
        self.text = text


WHY: Final = {
    Say.UNKNOWN: Why.COMMAND,
    Say.SYNTAX: Why.COMMAND,
    Say.TOO_LONG: Why.COMMAND,
    Say.WRONG_STATE: Why.COMMAND,
    Say.USER_FIRST: Why.COMMAND,
    Say.TLS_ACTIVE: Why.COMMAND,
    Say.TLS_ABSENT: Why.COMMAND,
    Say.TLS_NOT_ALONE: Why.COMMAND,
    Say.NO_SUCH_MESSAGE: Why.COMMAND,
    Say.NOT_POP3: Why.COMMAND,
    Say.TLS_FIRST: Why.TLS_FIRST,
    Say.WRONG_PASSWORD: Why.PASSWORD,
    Say.SIGNED_OUT: Why.PASSWORD,
    Say.FIRST_PASSWORD_ENDED: Why.FIRST_PASSWORD_ENDED,
    Say.SLOWED: Why.SLOWED,
    Say.TRY_LATER: Why.NOT_NOW,
    Say.NOTHING_REMOVED: Why.NOT_NOW,
    Say.MAILDROP_IN_USE: Why.IN_USE,
    Say.MAKE_ROOM: Why.CONNECTION,
}
"""For which reason a refusal is counted; others have a counter of their own, or end a session."""

Replies = Mapping[Say, bytes]


def speak(language: Language, *, hostname: str) -> Replies:
    """Every reply as octets with its CRLF, ready to send."""
    return {say: _encode(say, language, hostname) for say in Say}


def _encode(say: Say, language: Language, hostname: str) -> bytes:
    sentence = say.text.in_language(language).format(hostname=hostname)
    line = f"{say.status} {sentence}".encode("ascii", "replace")
    return line[: MAX_REPLY_OCTETS - 2] + b"\r\n"


def counted_messages(count: int) -> bytes:
    """`1 message`, `2 messages`, as in the examples of RFC 1939 §5."""
    return b"1 message" if count == 1 else b"%d messages" % count
