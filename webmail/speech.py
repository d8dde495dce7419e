"""What this door says, in French and in English, and which of the two to whom.

A page is a title and a paragraph or two.  What went wrong says what to do.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from mailserver.texts.catalogue import Language, Text

MAX_RANGES: Final = 20
"""Of an Accept-Language; browsers send a handful."""
# RFC 9110 §12.5.4: language-range [ weight ]
_RANGE: Final = re.compile(r"([A-Za-z]{1,8})[A-Za-z0-9-]*(?:\s*;\s*q\s*=\s*(0(?:\.\d{0,3})?|1))?")


class Say(Enum):
    """Sentences of pages that are no failure."""

    LEAVE = Text("Quitter la liste", "Leave the list")
    LEAVE_MEANS = Text(
        "Si vous appuyez sur le bouton, vous ne recevrez plus les messages de cette liste\u00a0:",
        "If you press the button, you will get no more messages from this list:",
    )
    LEAVE_NOT = Text(
        "Pour continuer à les recevoir, fermez cette page\u00a0: rien n'aura changé.",
        "To go on getting them, just close this page: nothing will have changed.",
    )
    LEFT = Text("C'est fait", "Done")
    LEFT_MEANS = Text(
        "Vous ne recevez plus les messages de cette liste\u00a0:",
        "You get no more messages from this list:",
    )
    LEFT_ELSE = Text(
        "S'il en arrive encore un, servez-vous du lien de ce message-là.",
        "Should one more arrive, use the link of that message.",
    )


FAILURES: Final[dict[int, tuple[Text, Text]]] = {
    400: (
        Text("Demande incomprise", "This was not understood"),
        Text(
            "Rien n'a changé. Ouvrez le lien à nouveau, puis appuyez sur le bouton.",
            "Nothing has changed. Open the link again and press the button.",
        ),
    ),
    404: (
        Text("Ce lien ne mène à rien", "This link leads nowhere"),
        Text(
            "Il est incomplet, ou il n'est plus valable."
            " Copiez-le en entier depuis le message le plus récent.",
            "It is incomplete, or no longer valid."
            " Copy it whole from the newest message that you have.",
        ),
    ),
    405: (
        Text("Cela ne se fait pas ici", "That cannot be done here"),
        Text(
            "Rien n'a changé. Ouvrez le lien dans un navigateur.",
            "Nothing has changed. Open the link in a browser.",
        ),
    ),
    408: (
        Text("La demande n'est pas arrivée entière", "The request did not arrive whole"),
        Text("Rien n'a changé. Essayez à nouveau.", "Nothing has changed. Try again."),
    ),
    413: (
        Text("C'est trop long", "That is too long"),
        Text(
            "Rien n'a changé. Ouvrez le lien à nouveau, puis appuyez sur le bouton.",
            "Nothing has changed. Open the link again and press the button.",
        ),
    ),
    421: (
        Text("Ce nom n'est pas le nôtre", "That name is not ours"),
        Text(
            "Vérifiez l'adresse\u00a0: elle doit être celle du message que vous avez reçu.",
            "Check the address: it must be that of the message that you got.",
        ),
    ),
    429: (
        Text("Trop de demandes", "Too many requests"),
        Text("Attendez une minute, puis recommencez.", "Wait a minute, then try again."),
    ),
    503: (
        Text(
            "Le service est momentanément indisponible",
            "The service is not available at the moment",
        ),
        Text(
            "C'est de notre fait. Essayez à nouveau dans quelques minutes.",
            "The fault is ours. Try again in a few minutes.",
        ),
    ),
}
"""Status -> what went wrong, what to do.  Our own failures are all 503."""


def choose_language(accepted: str, default: Language) -> Language:
    """What the reader prefers of the two; `default` where they say nothing about either.

    accepted: an Accept-Language (RFC 9110 §12.5.4), or nothing.
    """
    best: Language = default
    best_weight = 0.0
    for text in accepted.split(",")[:MAX_RANGES]:
        found = _RANGE.fullmatch(text.strip())
        language = _language(found[1]) if found is not None else None
        if found is None or language is None:
            continue
        weight = float(found[2] or 1)
        if weight > best_weight:
            best, best_weight = language, weight
    return best


def _language(text: str) -> Language | None:
    match text.lower():
        case "fr":
            return "fr"
        case "en":
            return "en"
        case _:
            return None
