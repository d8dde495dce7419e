"""The sentences of a report, but for what each refusal means (`meanings`).

Plain words for people who know nothing of mail servers.  {Places} are filled once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mailserver.queue.reports import ReportKind
from mailserver.texts.catalogue import Language, Text
from mailserver.texts.plurals import CountedNoun

FROM_NAME: Final = Text(fr="Distribution du courrier", en="Mail delivery")

SUBJECTS: Final = {
    ReportKind.FAILED: Text(fr="Message non remis", en="Message not delivered"),
    ReportKind.DELAYED: Text(fr="Message retardé", en="Message delayed"),
    ReportKind.DELIVERED: Text(fr="Message déposé", en="Message delivered"),
    ReportKind.RELAYED: Text(fr="Message transmis", en="Message passed on"),
    ReportKind.EXPANDED: Text(fr="Message distribué à la liste", en="Message sent to the list"),
}

OPENINGS: Final = {
    ReportKind.FAILED: Text(
        fr="Votre message n'a pas pu être remis. Il n'arrivera pas : nous n'essayons plus.",
        en="Your message could not be delivered. It will not arrive: we have stopped trying.",
    ),
    ReportKind.DELAYED: Text(
        fr="Votre message n'est pas encore arrivé. Vous n'avez rien à faire : ne le renvoyez pas,"
        " nous continuons d'essayer.",
        en="Your message has not arrived yet. You need not do anything: do not send it again,"
        " we are still trying.",
    ),
    ReportKind.DELIVERED: Text(
        fr="Votre message est arrivé dans la boîte aux lettres. Vous aviez demandé à le savoir.",
        en="Your message has arrived in the mailbox. You had asked to be told.",
    ),
    ReportKind.RELAYED: Text(
        fr="Votre message a été remis au serveur suivant, qui l'a accepté mais ne donne pas de"
        " nouvelles. Vous aviez demandé à savoir si le message arrive : nous n'en saurons pas"
        " plus.",
        en="Your message was handed to the next server, which accepted it but sends no news. You"
        " had asked to be told when the message arrives: we shall not learn more.",
    ),
    ReportKind.EXPANDED: Text(
        fr="Votre message a été distribué aux membres de la liste. Vous aviez demandé à le savoir.",
        en="Your message was sent to the members of the list. You had asked to be told.",
    ),
}

OTHER_LANGUAGE_BELOW: Final = Text(fr="(Texte français plus bas.)", en="(English text below.)")
SUBJECT_LABEL: Final = Text(fr="Objet :  ", en="Subject: ")
SENT_LABEL: Final = Text(fr="Envoyé : ", en="Sent:    ")
ONE_RECIPIENT: Final = Text(fr="Destinataire :", en="Recipient:")
MANY_RECIPIENTS: Final = Text(fr="Destinataires ({count}) :", en="Recipients ({count}):")
MORE_RECIPIENTS: Final = CountedNoun(
    Text(fr="... et {count} autre", en="... and {count} other"),
    Text(fr="... et {count} autres", en="... and {count} others"),
)
WHY: Final = Text(fr="Pourquoi : {what}", en="Why: {what}")
NOT_OFFERED_YET: Final = Text(
    fr="le message attend son tour chez nous : nous n'avons pas encore pu le présenter au serveur"
    " du destinataire.",
    en="the message waits for its turn here: we could not offer it to the recipient's server yet.",
)
HOP_IN_TROUBLE: Final = Text(
    fr="le serveur du destinataire ne prend aucun courrier pour le moment : celui d'autres"
    " personnes l'attend aussi.",
    en="the recipient's server takes no mail at all for now: that of others waits for it, too.",
)
BY_US: Final = Text(
    fr="les responsables de ce service de courrier l'ont arrêté ; aucun autre serveur ne l'a"
    " refusé.",
    en="the people who run this mail service stopped it; no other server refused it.",
)
OUR_LOSS: Final = Text(
    fr="notre propre serveur ne peut plus lire ce message : son contenu manque chez nous. Les"
    " responsables du service sont avertis ; aucun autre serveur n'est en cause.",
    en="our own server cannot read this message any more: its content is missing here. The people"
    " who run the service have been warned; no other server is to blame.",
)
SEND_AGAIN: Final = Text(fr="envoyez le message encore une fois.", en="send the message again.")
ASK_US: Final = Text(
    fr="pour en savoir plus, transférez ce courrier à l'adresse d'aide ci-dessous.",
    en="to learn more, forward this mail to the help address below.",
)
REASON_GIVEN: Final = Text(fr="La raison qu'ils donnent :", en="The reason that they give:")
PASSED_ON: Final = Text(
    fr="Cette adresse fait suivre son courrier vers une autre : c'est là que votre message n'arrive"
    " pas. L'adresse à laquelle vous avez écrit est bonne.",
    en="This address passes its mail on to another one: that is where your message does not arrive."
    " The address that you wrote to is right.",
)
WHAT_NOW: Final = Text(fr="Que faire : {advice}", en="What to do: {advice}")
TRIED_FOR: Final = Text(
    fr="Nous avons essayé pendant {age}, sans succès.",
    en="We tried for {age}, without success.",
)
TRYING_UNTIL: Final = Text(
    fr="Nous essayons depuis {age}, et encore jusqu'au {date}. Si rien n'y fait d'ici là, un autre"
    " message vous le dira.",
    en="We have been trying for {age} and go on until {date}. If it still fails then, another"
    " message will tell you.",
)
TRYING: Final = Text(
    fr="Nous essayons depuis {age}, et continuons. Si rien n'y fait, un autre message vous le"
    " dira.",
    en="We have been trying for {age} and go on. If it fails for good, another message will tell"
    " you.",
)
THEY_SAID: Final = Text(
    fr="Réponse du serveur {host}, mot pour mot :",
    en="Answer of the server {host}, word for word:",
)
SOMEBODY_SAID: Final = Text(
    fr="Réponse du serveur, mot pour mot :", en="Answer of the server, word for word:"
)
WE_SAW: Final = Text(fr="Détail technique :", en="Technical detail:")
CLOSING_FULL: Final = Text(
    fr="Votre message est joint tel que vous l'avez envoyé.",
    en="Your message is attached as you sent it.",
)
CLOSING_HEADER: Final = Text(
    # Where programs show it in the text, nothing is attached.
    fr="Seul l'en-tête de votre message revient avec ce courrier : cherchez le message lui-même"
    " dans votre dossier « Envoyés ».",
    en="Only the header of your message comes back with this mail: look for the message itself in"
    ' your "Sent" folder.',
)
HELP: Final = Text(
    fr="Ce courrier est écrit par une machine, inutile d'y répondre. Pour de l'aide, transférez-le"
    " à {address}.",
    en="This mail was written by a machine, there is no need to answer. For help, forward it to"
    " {address}.",
)

FOR_PROGRAMS: Final = Text(
    fr="La suite est pour les programmes et les techniciens.",
    en="What follows is for programs and technicians.",
)

_DAYS = "lundi mardi mercredi jeudi vendredi samedi dimanche".split()
_MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
)
_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_ENGLISH_MONTHS = (
    "January February March April May June July August September October November December".split()
)
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


def date_text(at: datetime, language: Language) -> str:
    """`mardi 24 novembre 2026 à 10:12 (+0100)`: the zone is said, readers may be anywhere."""
    clock = at.strftime("%H:%M (%z)")
    day, month = at.weekday(), at.month - 1
    if language == "fr":
        number = "1er" if at.day == 1 else str(at.day)
        return f"{_DAYS[day]} {number} {_MONTHS[month]} {at.year} à {clock}"
    return f"{_WEEKDAYS[day]} {at.day} {_ENGLISH_MONTHS[month]} {at.year} at {clock}"


def age_text(age_s: float, language: Language) -> str:
    """`5 jours`, `2 heures`, `10 minutes`: in the largest unit that is not 1."""
    minutes = max(round(age_s / 60), 1)
    units = ("jour heure minute" if language == "fr" else "day hour minute").split()
    for unit, size_s in zip(units, (_DAY_S, _HOUR_S), strict=False):
        if age_s >= 2 * size_s:
            return f"{round(age_s / size_s)} {unit}s"
    return f"{minutes} {units[2]}{'s' if minutes > 1 else ''}"
