"""From what people write of themselves to the letters of a name: the stated rules.

accents, cedillas     dropped: Frédéric -> frederic, Françoise -> francoise
ligatures             written out: Lecœur -> lecoeur, Læticia -> laeticia
other Latin letters   as the table of `mailserver.values.text.letters` says: Yıldız -> yildiz
apostrophes           dropped: D'Artagnan -> dartagnan, whatever the apostrophe
spaces and hyphens    part words: Jean Pierre and Jean-Pierre are jean, pierre
particles             are words like others: de La Tour -> de, la, tour
everything else       dropped: dots, parentheses, letters of other scripts
"""

from __future__ import annotations

import re

from mailserver.values.address import fold_local

APOSTROPHES = "'’‘`´ʼʹʻʽʾʿˈ′‛＇ꞌ"
_WITHOUT_APOSTROPHES = str.maketrans("", "", APOSTROPHES)
_NOT_LETTERS = re.compile(r"[^a-z0-9]")
BETWEEN = re.compile(r"[\s\-‐‑‒–—_/]+")


class BadName(ValueError):
    """Nothing of the name is left once it is folded.  The text says which part is missing."""


def split_words(text: str) -> list[str]:
    """The words of a name, each of a-z and 0-9 only; may be empty."""
    folded = fold_local(text.translate(_WITHOUT_APOSTROPHES))
    words = (_NOT_LETTERS.sub("", word) for word in BETWEEN.split(folded))
    return [word for word in words if word]


def search_key(*parts: str) -> str:
    """The form under which a name is searched: its words, one space between."""
    return " ".join(word for part in parts for word in split_words(part))
