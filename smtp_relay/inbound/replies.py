"""Every reply of the SMTP door: code, enhanced code, one ASCII sentence in two languages.

Strangers (MX) are always answered in English; on submission a person reads the
reply in a window, in the organisation's language.  `PHRASES` lists them all,
for the documentation.  RFC 5321 §4.2, RFC 3463, RFC 2034.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailserver.peers.patience import ERROR
from mailserver.texts.catalogue import Language, Text
from mailserver.values.reply import Reply

PHRASES: list[Phrase] = []


@dataclass(frozen=True, slots=True)
class Phrase:
    """One reply.

    octets: ready to send, once its {places} are filled.
    cost: of this reply to the session's patience; a refusal is an error (`peers.patience`).
    """

    code: int
    enhanced: str
    text: Text
    octets: dict[Language, bytes] = field(init=False, repr=False, compare=False)
    cost: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ready: dict[Language, bytes] = {
            "fr": Reply(self.code, self.enhanced, self.text.fr).encode(),
            "en": Reply(self.code, self.enhanced, self.text.en).encode(),
        }
        object.__setattr__(self, "octets", ready)
        is_refusal = self.code >= 400 and self.code != 421  # which ends the session itself
        object.__setattr__(self, "cost", ERROR if is_refusal else 0)
        PHRASES.append(self)


def _phrase(code: int, enhanced: str, fr: str, en: str) -> Phrase:
    return Phrase(code, enhanced, Text(fr=fr, en=en))


# --- going well ---------------------------------------------------------------

BANNER = _phrase(220, "", "{hostname} ESMTP", "{hostname} ESMTP")
TLS_READY = _phrase(220, "2.0.0", "Pret pour TLS", "Ready to start TLS")
GOODBYE = _phrase(221, "2.0.0", "Au revoir", "Goodbye")
SIGNED_IN = _phrase(235, "2.7.0", "Identification reussie", "You are signed in")
HELLO = _phrase(250, "", "{hostname}", "{hostname}")
DONE = _phrase(250, "2.0.0", "Ok", "Ok")
SENDER_OK = _phrase(250, "2.1.0", "Expediteur accepte", "Sender ok")
RECIPIENT_OK = _phrase(250, "2.1.5", "Destinataire accepte", "Recipient ok")
ACCEPTED = _phrase(250, "2.0.0", "Ok: {message}", "Ok: {message}")
CANNOT_VERIFY = _phrase(
    252,
    "2.5.0",
    "Les adresses ne se verifient pas ici ; envoyez votre message",
    "Addresses are not verified here; send your message",
)
HELP = _phrase(214, "2.0.0", "Commandes : {words}", "Commands: {words}")
SEND_DATA = _phrase(
    354,
    "",
    "Envoyez le message, et terminez par un point seul sur sa ligne",
    "Send the message, end it with a dot alone on its line",
)

# --- not now: the connection --------------------------------------------------

TOO_MANY_CONNECTIONS = _phrase(
    421,
    "4.3.2",
    "Trop de connexions ; reessayez dans quelques minutes",
    "Too many connections; try again in a few minutes",
)
TOO_MANY_FROM_THERE = _phrase(
    421,
    "4.7.0",
    "Trop de connexions depuis votre reseau ; fermez-en ou reessayez dans quelques minutes",
    "Too many connections from your network; close some or try again in a few minutes",
)
MAKE_ROOM = _phrase(
    421,
    "4.7.0",
    "Toutes les places sont prises et cette connexion attend ; reessayez dans quelques minutes",
    "All places are taken and this connection is idle; try again in a few minutes",
)
STOPPING = _phrase(
    421,
    "4.3.2",
    "Le service redemarre ; reessayez dans une minute",
    "The service is restarting; try again in a minute",
)
SHUT = _phrase(
    421,
    "4.3.2",
    "Ce port est ferme par precaution ; reessayez plus tard",
    "This port is shut as a precaution; try again later",
)
IDLE_TOO_LONG = _phrase(
    421,
    "4.4.2",
    "Rien recu depuis trop longtemps ; connexion fermee",
    "Nothing received for too long; closing the connection",
)
TOO_MANY_ERRORS = _phrase(
    421,
    "4.7.0",
    "Trop d'erreurs ; connexion fermee",
    "Too many errors; closing the connection",
)
NOT_SMTP = _phrase(
    421,
    "4.7.0",
    "Ici on parle SMTP, et rien d'autre ; connexion fermee",
    "This port speaks SMTP and nothing else; closing the connection",
)
TOO_MANY_FAILURES = _phrase(
    421,
    "4.7.0",
    "Trop d'essais ; verifiez l'identifiant et le mot de passe puis reconnectez-vous",
    "Too many attempts; check the user name and the password, then connect again",
)
GUESSER = _phrase(
    451,
    "4.7.1",
    "Trop de destinataires inconnus depuis votre reseau ; reessayez dans une heure",
    "Too many unknown recipients from your network; try again in an hour",
)
TOO_MANY_UNKNOWN = _phrase(
    421,
    "4.7.0",
    "Trop de destinataires inconnus ; verifiez votre liste",
    "Too many unknown recipients; check your list",
)

# --- not now: the message -----------------------------------------------------

OUR_FAULT = _phrase(
    451,
    "4.3.0",
    "Panne passagere de notre cote ; reessayez plus tard",
    "Temporary failure on our side; try again later",
)
DOMAIN_NOT_SET = _phrase(
    451,
    "4.3.5",
    "Le domaine de cette adresse n'est pas configure ici en ce moment ; reessayez plus tard",
    "The domain of this address is not set up here at the moment; try again later",
)
DISK_FULL = _phrase(
    452,
    "4.3.1",
    "Plus assez de place pour l'instant ; reessayez plus tard",
    "Not enough room for now; try again later",
)
TOO_MANY_RECIPIENTS = _phrase(
    452,
    "4.5.3",
    "Trop de destinataires ; envoyez aux autres dans un second message",
    "Too many recipients; send to the others in another message",
)
MAILBOX_FULL_FOR_NOW = _phrase(
    452,
    "4.2.2",
    "La boite du destinataire est pleine ; reessayez plus tard",
    "The recipient's mailbox is full; try again later",
)
SIGN_IN_LATER = _phrase(
    454,
    "4.7.0",
    "Identification impossible pour l'instant ; reessayez dans une minute",
    "Cannot check passwords for now; try again in a minute",
)
SIGN_IN_SLOWED = _phrase(
    454,
    "4.7.0",
    "Trop de mots de passe essayes ; gardez le votre et reessayez dans un quart d'heure",
    "Too many passwords were tried; keep yours and try again in a quarter of an hour",
)
NO_TLS = _phrase(
    454,
    "4.7.0",
    "TLS n'est pas disponible ici",
    "TLS is not available here",
)

CANNOT_SERVE = _phrase(
    421,
    "4.3.0",
    "Le service est momentanement indisponible ; reessayez dans quelques minutes",
    "The service cannot answer for now; try again in a few minutes",
)
IMPLICIT_TLS = _phrase(
    421,
    "4.7.0",
    "Ce port parle TLS des le premier octet ; choisissez SSL/TLS dans votre programme",
    "This port speaks TLS from the first octet; choose SSL/TLS in your program",
)

# --- the command is wrong -----------------------------------------------------

LINE_TOO_LONG = _phrase(500, "5.5.2", "Ligne de commande trop longue", "Command line too long")
BARE_LINE_BREAK = _phrase(
    500,
    "5.5.2",
    "Une commande se termine par CR LF",
    "A command ends with CR LF",
)
UNKNOWN_COMMAND = _phrase(500, "5.5.1", "Commande inconnue", "Unknown command")
AUTH_LINE_TOO_LONG = _phrase(
    500, "5.5.6", "Ligne d'identification trop longue", "Authentication line too long"
)
BAD_SYNTAX = _phrase(
    501, "5.5.4", "Erreur de syntaxe dans la commande", "Syntax error in the command"
)
BAD_SENDER = _phrase(
    501,
    "5.1.7",
    "Adresse d'expediteur mal formee ; ecrivez MAIL FROM:<nom@domaine>",
    "Malformed sender address; write MAIL FROM:<name@domain>",
)
BAD_RECIPIENT = _phrase(
    501,
    "5.1.3",
    "Adresse de destinataire mal formee ; ecrivez RCPT TO:<nom@domaine>",
    "Malformed recipient address; write RCPT TO:<name@domain>",
)
BAD_PARAMETER = _phrase(501, "5.5.4", "Parametre mal forme", "Malformed parameter")
BAD_BASE64 = _phrase(
    501, "5.5.2", "Reponse illisible (base64)", "Cannot decode the response (base64)"
)
SASL_CANCELLED = _phrase(501, "5.7.0", "Identification abandonnee", "Authentication cancelled")
TALKED_BEFORE_TLS = _phrase(
    501,
    "5.5.4",
    "Rien ne doit suivre STARTTLS avant la negociation ; connexion fermee",
    "Nothing may follow STARTTLS before the handshake; closing the connection",
)
NOT_IMPLEMENTED = _phrase(502, "5.5.1", "Commande non disponible", "Command not available")
HELLO_FIRST = _phrase(503, "5.5.1", "Commencez par EHLO", "Send EHLO first")
EHLO_FIRST = _phrase(503, "5.5.1", "Commencez par EHLO, et non HELO", "Send EHLO first, not HELO")
MAIL_FIRST = _phrase(503, "5.5.1", "Commencez par MAIL FROM", "Send MAIL FROM first")
RECIPIENT_FIRST = _phrase(
    503, "5.5.1", "Donnez d'abord un destinataire (RCPT TO)", "Send RCPT TO first"
)
TRANSACTION_OPEN = _phrase(
    503, "5.5.1", "Un message est deja en cours", "A message is already under way"
)
TLS_ALREADY = _phrase(503, "5.5.1", "TLS est deja en place", "TLS is already on")
SIGNED_IN_ALREADY = _phrase(503, "5.5.1", "Identification deja faite", "You are already signed in")
UNKNOWN_MECHANISM = _phrase(
    504,
    "5.5.4",
    "Methode d'identification inconnue ; choisissez PLAIN ou LOGIN",
    "Unknown authentication mechanism; use PLAIN or LOGIN",
)
UNKNOWN_PARAMETER = _phrase(555, "5.5.4", "Parametre inconnu", "Unknown parameter")

# --- no -----------------------------------------------------------------------

NOT_FROM_THERE = _phrase(
    554,
    "5.7.1",
    "Ce port n'est pas ouvert a votre reseau",
    "This port is not open to your network",
)
SIGN_IN_FIRST = _phrase(
    530,
    "5.7.0",
    "Identifiez-vous d'abord ; activez l'identification SMTP dans votre logiciel",
    "Sign in first; turn on SMTP authentication in your mail program",
)
SIGN_IN_AGAIN = _phrase(
    530,
    "5.7.0",
    "Votre compte ou son mot de passe a change ; reconnectez-vous avec le nouveau",
    "Your account or its password has changed; connect again with the new one",
)
TLS_FIRST = _phrase(
    538,
    "5.7.11",
    "Chiffrez d'abord la connexion ; choisissez STARTTLS dans votre logiciel",
    "Encrypt the connection first; choose STARTTLS in your mail program",
)
WRONG_PASSWORD = _phrase(
    535,
    "5.7.8",
    "Identifiant ou mot de passe incorrect",
    "Wrong user name or password",
)
FIRST_PASSWORD_ENDED = _phrase(
    535,
    "5.7.8",
    "Votre premier mot de passe a pris fin ; demandez-en un autre a votre correspondant",
    "Your first password has ended; ask your correspondent for another one",
)
NO_SUCH_USER = _phrase(
    550, "5.1.1", "Personne n'a cette adresse ici", "Nobody has this address here"
)
WRONG_KEY_LETTER = _phrase(
    550,
    "5.1.1",
    "Personne n'a cette adresse ici : la lettre de ce code d'etablissement est fausse",
    "Nobody has this address here: the letter of this school's code is wrong",
)
NOBODY_THERE = (NO_SUCH_USER, WRONG_KEY_LETTER)
MAILBOX_FULL = _phrase(
    552,
    "5.2.2",
    "La boite du destinataire est pleine",
    "The recipient's mailbox is full",
)
HAS_LEFT = _phrase(
    550,
    "5.1.6",
    "Cette personne est partie sans laisser d'adresse",
    "This person has left and gave no other address",
)
MAILBOX_CLOSED = _phrase(550, "5.2.1", "Cette boite est fermee", "This mailbox is closed")
MAILBOX_NOT_OPEN = _phrase(
    550,
    "5.2.1",
    "Cette boite n'est pas encore ouverte",
    "This mailbox is not open yet",
)
REPORTS_ONLY = _phrase(
    550,
    "5.7.1",
    "Cette adresse ne recoit que des rapports de non-distribution (MAIL FROM:<>)",
    "This address takes delivery reports only (MAIL FROM:<>)",
)
TOO_MUCH_FOR_NOW = _phrase(
    450, "4.7.1", "Trop pour cette adresse ; reessayez plus tard", "Too much for this address now"
)
RELAYING_DENIED = _phrase(550, "5.7.1", "Relais refuse", "Relaying denied")
BAD_DOMAIN = _phrase(
    550,
    "5.1.2",
    "Ce domaine ne peut pas exister ; corrigez ce qui suit le @",
    "No such domain can exist; correct what stands after the @",
)
REFUSED_BY_RULE = _phrase(550, "5.7.1", "Refuse : {reason}", "Refused: {reason}")
REFUSED_BY_RULE_ALONE = _phrase(
    550,
    "5.7.1",
    "Une regle de ce service refuse ce destinataire",
    "A rule of this service refuses this recipient",
)
MAY_NOT_POST = _phrase(
    550,
    "5.7.2",
    "Vous ne pouvez pas ecrire a cette liste ; demandez a ses responsables (-owner)",
    "You may not post to this list; ask its owners (-owner)",
)
NOT_YOUR_ADDRESS = _phrase(
    550,
    "5.7.1",
    "Vous ne pouvez ecrire que sous une de vos adresses ; corrigez l'expediteur",
    "You may only send under one of your own addresses; correct the sender",
)
NOT_YOUR_FROM = _phrase(
    550,
    "5.7.1",
    "Le champ De (From) doit porter une de vos adresses, et elle seule",
    "The From field must hold one of your own addresses and no other",
)
NO_FROM = _phrase(
    550,
    "5.7.1",
    "Il n'y a pas de champ De (From) ; indiquez votre adresse dans votre logiciel",
    "There is no From field; give your address to your mail program",
)
TWO_FROMS = _phrase(
    550,
    "5.7.1",
    "Le champ De (From) ou Sender est en double ; gardez-en un",
    "The From or Sender field stands there twice; keep one",
)
UNREADABLE_FROM = _phrase(
    550,
    "5.7.1",
    "Le champ De (From) est illisible ; mettez le nom entre guillemets et l'adresse entre < >",
    "The From field cannot be read; put the name in quotes and the address in < >",
)
NOT_YOUR_NAME = _phrase(
    550,
    "5.7.1",
    "Le nom dans le champ De (From) est l'adresse d'un autre ; ecrivez votre nom",
    "The name in the From field is somebody else's address; write your own name",
)
BAD_HEADER_LINE = _phrase(
    550,
    "5.6.0",
    "Une ligne de l'en-tete n'est pas un champ ; separez l'en-tete du texte par une ligne vide",
    "A line of the header is no field; put an empty line between header and text",
)
BARE_CR_OR_LF = _phrase(
    550,
    "5.6.0",
    "Message refuse : il contient un CR ou un LF isole",
    "Message refused: it holds a bare CR or a bare LF",
)
HOLDS_NUL = _phrase(
    550,
    "5.6.0",
    "Message refuse : il contient un caractere nul ; joignez ce contenu comme fichier",
    "Message refused: it holds a NUL character; attach that content as a file",
)
NOT_OUR_MAIL = _phrase(
    550,
    "5.7.1",
    "L'adresse de l'auteur est une des notres ; identifiez-vous ici pour l'employer",
    "The author's address is one of ours; sign in here to write under it",
)
TOO_MANY_HOPS = _phrase(
    554,
    "5.4.6",
    "Ce message a deja passe par trop de serveurs ; il tourne en rond",
    "This message has passed too many servers already; it is going in circles",
)
MESSAGE_TOO_LARGE = _phrase(
    552,
    "5.3.4",
    "Message trop volumineux ; reduisez les pieces jointes",
    "Message too large; make the attachments smaller",
)
HEADERS_TOO_LARGE = _phrase(
    552,
    "5.3.4",
    "En-tetes du message trop volumineux",
    "The header block of the message is too large",
)
UTF8_NOT_ASKED = _phrase(
    553,
    "5.6.7",
    "Adresse accentuee sans SMTPUTF8 ; ecrivez-la sans accents",
    "Non-ASCII address without SMTPUTF8; write it without accents",
)
