"""Which passwords may be set, and the sentences that say why not.

Passphrases are welcome: length is what counts, no kind of character is asked
for.  Refused are those that somebody would try first: the most common ones, the
identifier, the names, the address, the NUMEN (NIST SP 800-63B §3.1.1.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailserver.auth.common import is_common
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.texts.catalogue import Text
from mailserver.values.address import fold_local
from mailserver.values.numen import NUMEN_SHAPE
from mailserver.values.secret import Secret

MIN_CHARACTERS = 10
"""Between the 8 that NIST asks for at least and the 15 that it asks for where nothing else guards.

With the throttles and argon2id, ten characters that are not common cannot be
found by trying; fifteen would be forgotten, written down, and reset.
"""
MAX_PART_SHARE = 0.5
"""A name may stand in a passphrase, but not make half of it."""
_MIN_PART_CHARACTERS = 3
_MIN_DIFFERENT_CHARACTERS = 5


class BadPassword(ValueError):
    """The password cannot be used.  The text says why and never quotes it."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


@dataclass(frozen=True, slots=True)
class Owner:
    """Words about a person that make bad passwords: identifier, names, addresses."""

    words: tuple[str, ...] = ()


NOBODY = Owner()

UNSENDABLE = Text(
    fr="un mot de passe ne peut contenir ni NUL, ni saut de ligne, ni moitié de caractère",
    en="a password cannot contain NUL, a line break or half a character",
)
COMMON = Text(
    fr="ce mot de passe est parmi les plus courants : prenez plutôt quelques mots sans rapport",
    en="this password is among the most common ones: take a few words without relation instead",
)
POOR = Text(
    fr="ce mot de passe répète trop peu de caractères : prenez plutôt quelques mots",
    en="this password repeats too few characters: take a few words instead",
)
PERSONAL = Text(
    fr="un mot de passe ne peut pas être fait de l'identifiant, du nom ou de l'adresse",
    en="a password cannot be made of the identifier, the name or the address",
)
SAME = Text(
    fr="c'est le mot de passe que vous avez déjà : choisissez-en un autre",
    en="this is the password that you have already: choose another one",
)
LIKE_A_NUMEN = Text(
    fr="un mot de passe ne peut pas contenir un NUMEN : prenez plutôt quelques mots",
    en="a password cannot contain a NUMEN: take a few words instead",
)


def too_short(min_characters: int) -> Text:
    return Text(
        fr=f"un mot de passe a au moins {min_characters} caractères",
        en=f"a password has at least {min_characters} characters",
    )


TOO_LONG = Text(
    fr=f"un mot de passe a au plus {MAX_PASSWORD_OCTETS // 2} octets en UTF-8",
    en=f"a password has at most {MAX_PASSWORD_OCTETS // 2} octets in UTF-8",
)


def check_password(
    password: Secret[str], owner: Owner = NOBODY, *, min_characters: int = MIN_CHARACTERS
) -> None:
    """
    Raises:
        BadPassword: it cannot be sent, is too short or long, or would be tried first.
    """
    text = password.reveal()
    if len(text) < min_characters:
        raise BadPassword(too_short(min_characters))
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_OCTETS // 2:
        raise BadPassword(TOO_LONG)
    if any(c in "\0\r\n" or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise BadPassword(UNSENDABLE)
    if _has_numen(text):
        raise BadPassword(LIKE_A_NUMEN)
    if is_common(text):
        raise BadPassword(COMMON)
    if len(set(text.lower())) < _MIN_DIFFERENT_CHARACTERS:
        raise BadPassword(POOR)
    if _is_made_of(text, owner):
        raise BadPassword(PERSONAL)


def _has_numen(text: str) -> bool:
    """Anybody's, also with signs between or around: the owner's own is known by its digest only."""
    return re.search(NUMEN_SHAPE, re.sub(r"[\W_]+", "", text).upper(), re.ASCII) is not None


def _is_made_of(text: str, owner: Owner) -> bool:
    """Without the owner's words, is less than half of its letters and digits left?"""
    folded = re.sub(r"[\W_]+", "", fold_local(text))
    if not folded:
        return False
    left = folded
    for part in sorted(_parts(owner), key=len, reverse=True):
        left = left.replace(part, "")
    return len(left) < len(folded) * MAX_PART_SHARE


def _parts(owner: Owner) -> set[str]:
    found: set[str] = set()
    for word in owner.words:
        folded = fold_local(word)
        pieces = [re.sub(r"[\W_]+", "", folded), *re.split(r"[\W_]+", folded)]
        found.update(piece for piece in pieces if len(piece) >= _MIN_PART_CHARACTERS)
    return found
