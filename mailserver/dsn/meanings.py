"""What an enhanced status code means to a person, and what to do about it (RFC 3463).

Looked up from the particular to the general: `4.7.1`, then `7.1` (whatever the
class), then `7`.  docs/reports.md shows the table and is tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mailserver.texts.catalogue import Text


@dataclass(frozen=True, slots=True)
class Meaning:
    what: Text
    advice: Text


_CHECK_ADDRESS = Text(
    fr="vérifiez l'adresse lettre par lettre, ou demandez-la à la personne, puis renvoyez le"
    " message.",
    en="check the address letter by letter, or ask the person for it, then send the message again.",
)
_OTHER_WAY = Text(
    fr="joignez la personne autrement (téléphone, autre adresse) et dites-lui ce qui s'est passé.",
    en="reach the person another way (telephone, other address) and tell them what happened.",
)
_LATER = Text(
    fr="renvoyez le message plus tard ; s'il le faut, joignez la personne autrement.",
    en="send the message again later; if you must, reach the person another way.",
)
_SMALLER = Text(
    fr="envoyez moins de pièces jointes à la fois, ou déposez les fichiers ailleurs et envoyez"
    " le lien.",
    en="send fewer attachments at a time, or put the files elsewhere and send the link.",
)
_OUR_HELP = Text(
    fr="transférez ce courrier à l'adresse d'aide ci-dessous : c'est à nous, ou à l'autre serveur,"
    " de corriger.",
    en="forward this mail to the help address below: it is for us, or the other server, to mend.",
)
_POLICY_ADVICE = Text(
    fr="lisez la réponse ci-dessous, elle dit souvent pourquoi ; enlevez liens et pièces jointes"
    " et renvoyez, ou joignez la personne autrement.",
    en="read the answer below, it often says why; take out links and attachments and send again,"
    " or reach the person another way.",
)
_TLS = Meaning(
    Text(
        fr="ce destinataire exige une liaison chiffrée sûre, et elle n'a pas pu être établie. Le"
        " message n'est pas parti en clair.",
        en="this recipient demands a secure encrypted connection, and it could not be made. The"
        " message was not sent unprotected.",
    ),
    _OUR_HELP,
)
_NO_ANSWER = Text(
    fr="le serveur du destinataire ne répond pas, ou coupe la liaison.",
    en="the recipient's server does not answer, or breaks the connection.",
)
_POLICY = Text(
    fr="le serveur du destinataire refuse ce message : il le prend pour indésirable, ou n'accepte"
    " pas de courrier de nous.",
    en="the recipient's server refuses this message: it takes it for junk, or accepts no mail"
    " from us.",
)
_FORGED = Text(
    fr="le serveur du destinataire n'a pas pu vérifier que ce message vient bien de nous.",
    en="the recipient's server could not verify that this message really comes from us.",
)
_WAIT = Text(
    fr="le serveur du destinataire demande de patienter avant d'accepter ce message.",
    en="the recipient's server asks us to wait before it accepts this message.",
)

MEANINGS: Final[dict[str, Meaning]] = {
    "1.1": Meaning(
        Text(
            fr="le serveur du destinataire ne connaît pas cette adresse : elle est mal écrite, ou"
            " n'existe plus.",
            en="the recipient's server does not know this address: it is misspelt, or no longer"
            " exists.",
        ),
        _CHECK_ADDRESS,
    ),
    "1.2": Meaning(
        Text(
            fr="ce qui suit le signe @ n'existe pas : ce domaine est inconnu.",
            en="what follows the @ sign does not exist: the domain is unknown.",
        ),
        _CHECK_ADDRESS,
    ),
    "1.3": Meaning(
        Text(
            fr="cette adresse est mal écrite.",
            en="this address is malformed.",
        ),
        _CHECK_ADDRESS,
    ),
    "1.6": Meaning(
        Text(
            fr="cette personne a changé d'adresse.",
            en="this person has moved to another address.",
        ),
        _CHECK_ADDRESS,
    ),
    "1.7": Meaning(
        Text(
            fr="le serveur du destinataire n'accepte pas l'adresse de l'expéditeur.",
            en="the recipient's server does not accept the sender's address.",
        ),
        _OUR_HELP,
    ),
    "1.8": Meaning(
        Text(
            fr="le serveur du destinataire n'accepte pas le domaine de l'expéditeur.",
            en="the recipient's server does not accept the sender's domain.",
        ),
        _OUR_HELP,
    ),
    "1.10": Meaning(
        Text(
            fr="ce domaine existe, mais ne reçoit aucun courrier.",
            en="this domain exists, but takes no mail at all.",
        ),
        _CHECK_ADDRESS,
    ),
    "1": Meaning(
        Text(
            fr="le serveur du destinataire n'accepte pas cette adresse.",
            en="the recipient's server does not accept this address.",
        ),
        _CHECK_ADDRESS,
    ),
    "2.1": Meaning(
        Text(
            fr="cette boîte aux lettres est fermée ou suspendue.",
            en="this mailbox is closed or suspended.",
        ),
        _OTHER_WAY,
    ),
    "2.2": Meaning(
        Text(
            fr="la boîte aux lettres du destinataire est pleine.",
            en="the recipient's mailbox is full.",
        ),
        _LATER,
    ),
    "2.3": Meaning(
        Text(
            fr="le message est trop volumineux pour cette boîte aux lettres.",
            en="the message is too large for this mailbox.",
        ),
        _SMALLER,
    ),
    "2": Meaning(
        Text(
            fr="la boîte aux lettres du destinataire n'accepte pas le message.",
            en="the recipient's mailbox does not accept the message.",
        ),
        _OTHER_WAY,
    ),
    "3.4": Meaning(
        Text(
            fr="le message est trop volumineux pour le serveur du destinataire.",
            en="the message is too large for the recipient's server.",
        ),
        _SMALLER,
    ),
    "3": Meaning(
        Text(
            fr="le serveur du destinataire a un problème.",
            en="the recipient's server has a problem.",
        ),
        _LATER,
    ),
    "4.1": Meaning(_NO_ANSWER, _LATER),
    "4.2": Meaning(_NO_ANSWER, _LATER),
    "4.3": Meaning(
        Text(
            fr="l'annuaire d'Internet (DNS) ne dit pas pour le moment où livrer ce domaine.",
            en="the Internet's directory (DNS) does not say for now where this domain takes mail.",
        ),
        _LATER,
    ),
    "4.4": Meaning(
        Text(
            fr="aucun chemin ne mène au serveur du destinataire.",
            en="no way leads to the recipient's server.",
        ),
        _OUR_HELP,
    ),
    "4.6": Meaning(
        Text(
            fr="le message tourne en rond entre des serveurs mal réglés ; il a été arrêté.",
            en="the message went round in circles between badly set up servers; it was stopped.",
        ),
        _OUR_HELP,
    ),
    "4.7": Meaning(
        Text(
            fr="le message n'a pas pu être transmis dans le temps prévu.",
            en="the message could not be passed on within the time that we try for.",
        ),
        _LATER,
    ),
    "4": Meaning(_NO_ANSWER, _LATER),
    "5.3": Meaning(
        Text(
            fr="il y a trop de destinataires pour ce serveur.",
            en="there are too many recipients for this server.",
        ),
        _LATER,
    ),
    "5": Meaning(
        Text(
            fr="le serveur du destinataire et le nôtre ne se comprennent pas.",
            en="the recipient's server and ours do not understand each other.",
        ),
        _OUR_HELP,
    ),
    "6.3": Meaning(
        Text(
            fr="le serveur du destinataire est trop ancien pour ce message : il ne prend pas les"
            " caractères accentués non codés (8BITMIME).",
            en="the recipient's server is too old for this message: it does not take accented"
            " letters that are not encoded (8BITMIME).",
        ),
        Text(
            fr="renvoyez le message depuis un autre programme de courrier, ou sans accents.",
            en="send the message again from another mail program, or without accented letters.",
        ),
    ),
    "6.7": Meaning(
        Text(
            fr="le serveur du destinataire ne connaît pas les adresses accentuées (SMTPUTF8).",
            en="the recipient's server does not know addresses with accented letters (SMTPUTF8).",
        ),
        Text(
            fr="utilisez une adresse sans accents, la vôtre comme celle du destinataire.",
            en="use an address without accented letters, yours as well as the recipient's.",
        ),
    ),
    "6.9": Meaning(
        Text(
            fr="le serveur du destinataire ne prend pas l'en-tête de ce message : il y reste des"
            " lettres accentuées non codées (SMTPUTF8).",
            en="the recipient's server does not take this message's header: it has accented letters"
            " that are not encoded (SMTPUTF8).",
        ),
        Text(
            fr="renvoyez le message depuis un autre programme de courrier, ou sans accents dans"
            " l'objet, les noms et les adresses.",
            en="send the message again from another mail program, or without accented letters in"
            " the subject, the names and the addresses.",
        ),
    ),
    "6": Meaning(
        Text(
            fr="le serveur du destinataire n'accepte pas le contenu du message.",
            en="the recipient's server does not accept the message's content.",
        ),
        _POLICY_ADVICE,
    ),
    "7.4": _TLS,
    "7.5": _TLS,
    "7.10": _TLS,
    "7.11": _TLS,
    "7.30": _TLS,
    "7.20": Meaning(_FORGED, _OUR_HELP),
    "7.23": Meaning(_FORGED, _OUR_HELP),
    "7.24": Meaning(_FORGED, _OUR_HELP),
    "7.25": Meaning(_FORGED, _OUR_HELP),
    "7.26": Meaning(_FORGED, _OUR_HELP),
    "7.8": Meaning(
        Text(
            fr="le serveur qui transmet notre courrier a refusé notre mot de passe.",
            en="the server that passes our mail on refused our password.",
        ),
        _OUR_HELP,
    ),
    "7": Meaning(_POLICY, _POLICY_ADVICE),
    "4.7.0": Meaning(_WAIT, _LATER),
    "4.7.1": Meaning(_WAIT, _LATER),
    "": Meaning(
        Text(
            fr="le serveur du destinataire n'a pas accepté le message.",
            en="the recipient's server did not accept the message.",
        ),
        _OTHER_WAY,
    ),
}


def meaning_of(status: str) -> Meaning:
    """status: an enhanced code, as 5.1.1."""
    rest = status.partition(".")[2]
    for key in (status, rest, rest.partition(".")[0]):
        if key in MEANINGS:
            return MEANINGS[key]
    return MEANINGS[""]
