"""What is wrong, or doubtful, in how a person's name is written: it becomes an address for ever.

fault    it cannot be right: another script, a sign that stands in no name, a lost letter
doubt    it may be right, and mostly is not: `Durand (née Martin)`, `Durand dit Leroy`,
         a title, a digit, two names with a comma; whoever knows says so (`confirmed`)
note     it is right, and makes an identifier that people ask about: `de La Tour`
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mailserver.values.address import fold_local
from mailserver.values.text.letters import SILENT, to_ascii
from mailserver.values.text.written import spoilt_words
from mailserver.values.words import APOSTROPHES, BETWEEN, split_words

PARTICLES: Final = frozenset(
    "de du des d la le les l von van vom zu zum der den ter ten da das do dos di del y".split()
)
_ARTICLES: Final = frozenset({"le", "la", "les", "l"})
"""Nobody doubts that they are part of `Le Goff`."""
_JOINED: Final = frozenset(
    "nee ne dit dite epouse epse ep veuve vve veuf divorcee divorce alias ou et usage".split()
)
"""Words between two names, of which one is not theirs any more, or not yet."""
_ALSO_NAMES: Final = frozenset({"ou", "ne", "et", "dit", "usage"})
_TITLES: Final = frozenset(
    "m mr mme mlle mrs ms miss monsieur madame mademoiselle dr docteur pr prof me maitre".split()
)
_DOUBTFUL_SIGNS: Final = '()[]{}",;/\\&+*«»“”„|'
_PLAIN: Final = re.compile(r"[A-Za-zàâäçéèêëîïôöùûüÿñÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸÑ' .-]*")
"""Most names by far, without a look at each letter."""
_FINE_SIGNS: Final = frozenset(APOSTROPHES) | {" ", ".", "·", "‧"}


def name_fault(text: str) -> str | None:
    """Why this cannot be the name of a person; None: it can."""
    if _PLAIN.fullmatch(text):
        return None
    if (words := spoilt_words(text)) is not None:
        return words
    for character in unicodedata.normalize("NFC", text):
        if (words := _letter_fault(character)) is not None:
            return words
    return None


def _letter_fault(character: str) -> str | None:
    if character.isascii() and character.isalnum():
        return None
    if character in _FINE_SIGNS or BETWEEN.fullmatch(character) or character in _DOUBTFUL_SIGNS:
        return None
    category = unicodedata.category(character)
    if category.startswith("L"):
        return None if _is_latin(character) else _another_script(character)
    if category == "Mn" and unicodedata.name(character, "").startswith("COMBINING"):
        return None
    if category in {"Mn", "Mc"}:
        return _another_script(character)
    if character == "?":
        return "holds a ?, as for a letter that was lost: write the letter"
    if character == "@":
        return "an address stands here: write the name"
    return f"{character!r} is no letter of a name: is the file in another encoding? Write the name"


def _is_latin(letter: str) -> bool:
    if letter in SILENT or letter.casefold() in SILENT or unicodedata.category(letter) == "Lm":
        return True
    folded = fold_local(letter)
    return bool(folded) and all(
        c.isascii() or to_ascii(c) or c in APOSTROPHES or not c.isalpha() for c in folded
    )


def _another_script(character: str) -> str:
    return f"{character} is no Latin letter: write the name in Latin letters, as in the passport"


def name_doubt(given_name: str, surname: str) -> tuple[str, str] | None:
    """(the field, what to ask about); None: nothing is doubtful."""
    for field, text in (("surname", surname), ("given_name", given_name)):
        if (words := _doubt(text)) is not None:
            return field, words
    last = _words(given_name)[-1:]
    if len(_words(given_name)) > 1 and last and last[0] in PARTICLES:
        return "given_name", f"ends with {last[0]!r}, which mostly begins the surname"
    return None


def _doubt(text: str) -> str | None:
    signs = [one for one in text if one in _DOUBTFUL_SIGNS]
    if signs:
        return f"{signs[0]} stands in no identifier: write the one name that is theirs"
    if any(one.isdigit() for one in text):
        return "holds a digit: the service adds digits to homonyms by itself"
    words = _words(text)
    for at, word in enumerate(words):
        if word in _JOINED and 0 < at < len(words) - 1:
            return f"{word!r} stands between two names: write the one name that is theirs"
        if word in _JOINED - _ALSO_NAMES and len(words) > 1:
            where = "begins" if at == 0 else "ends"
            return f"{where} with {word!r}: write the name alone"
    if len(words) > 1 and words[0] in _TITLES:
        return f"begins with {words[0]!r}, a title: write the name alone"
    if len(words) > 1 and words[-1] in PARTICLES - {"y"}:
        return f"ends with {words[-1]!r}, which mostly begins a name"
    return None


def _words(text: str) -> list[str]:
    """In the order written; a dot parts words here, as in `M.Dupont`."""
    return split_words(text.replace(".", " "))


def has_particle(surname: str) -> bool:
    """Does a particle begin it?  It is part of identifier and address then."""
    words = _words(surname)
    return len(words) > 1 and words[0] in PARTICLES - _ARTICLES
