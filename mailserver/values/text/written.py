"""Octets that a person saved -> text, whatever program wrote them; and text that was spoilt.

encoding      a mark at the start says it, or NULs at every second place (UTF-16); else UTF-8 if
              it is; else Windows-1252, Latin-9 or Latin-1
refused       NUL; one line that is UTF-8 beside one that is not; what reads better as Mac Roman
              or CP850: each with the number of its line
spaces        of every width are spaces; what takes no room is nothing
spoilt text   a letter that was lost (U+FFFD); UTF-8 that was saved as UTF-8 a second time

Names become addresses for ever, so a doubtful letter is a refusal and never a guess.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

LOST: Final = "\ufffd"
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
# What letters, accents and apostrophes are in UTF-8; as Latin-1, nobody writes that.
_UTF_8_LETTER: Final = re.compile(
    rb"[\xc2-\xc5\xcc][\x80-\xbf]|\xe1[\xb8-\xbb][\x80-\xbf]|\xe2\x80[\x80-\xbf]"
)
_OLD: Final = (("mac_roman", "Mac Roman"), ("cp850", "CP850 (DOS)"))
_SHOWN_LENGTH: Final = 40


class BadText(ValueError):
    """No text, or one whose letters are in doubt.  `line_no`: where, or None for the whole."""

    def __init__(self, words: str, line_no: int | None = None) -> None:
        super().__init__(words)
        self.line_no = line_no

    def told_of(self, name: str) -> str:
        """The sentence, with the file's name and the line in front."""
        where = name if self.line_no is None else f"{name}, line {self.line_no}"
        return f"{where}: {self}"


def decode_text(octets: bytes) -> tuple[str, str]:
    """(the text without its mark, how it was written, for people to read).

    Raises:
        BadText: NUL octets, two encodings in one file, or an old encoding.
    """
    for mark, codec, words in _MARKS:
        if octets.startswith(mark):
            return _decode(octets, codec, words), words
    if (bare := _utf_16_without_mark(octets)) is not None:
        return _decode(octets, bare, "UTF-16"), "UTF-16"
    if (place := octets.find(b"\0")) >= 0:
        raise BadText("not a text file: save it as CSV or plain text", _line_at(octets, place))
    try:
        return octets.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError as error:
        if (found := _UTF_8_LETTER.search(octets)) is not None:
            good, bad = _line_at(octets, found.start()), _line_at(octets, error.start)
            raise BadText(
                f"line {good} is UTF-8 and line {bad} is not: correct the letters with accents,"
                " and save the whole file as UTF-8"
            ) from None
        return _one_octet_text(octets)


def decode_utf_8(octets: bytes) -> str:
    """As files for programs are written (TOML); a mark at the start is no part of it.

    Raises:
        BadText: it is not UTF-8; the line is known.
    """
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_no = _line_at(octets, error.start)
        raise BadText("not UTF-8: save the file as UTF-8", line_no) from None


def _decode(octets: bytes, codec: str, words: str) -> str:
    try:
        text = octets.decode(codec)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(codec, "ignore")
        line_no = before.count("\n" if "\n" in before else "\r") + 1
        raise BadText(f"not {words}: save it anew as UTF-8", line_no) from None
    if "\0" in text:
        line_no = text.count("\n", 0, text.index("\0")) + 1
        raise BadText("not a text file: save it as CSV or plain text", line_no)
    return text


def _utf_16_without_mark(octets: bytes) -> str | None:
    """Where every second octet is NUL, nearly: as some programs write it."""
    head = octets[:4096]
    half = len(head) // 2
    if half < 2:
        return None
    for codec, high in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        low = head[0::2] if codec == "utf-16-le" else head[1::2]
        if high.count(0) * 10 >= half * 7 and not low.count(0):
            return codec
    return None


def _line_at(octets: bytes, place: int) -> int:
    return octets.count(b"\n" if b"\n" in octets else b"\r", 0, place) + 1


# --- one octet, one letter -------------------------------------------------------------


def _one_octet_text(octets: bytes) -> tuple[str, str]:
    """
    Raises:
        BadText: letters stand where none can under Windows-1252, and another reading is good.
    """
    _refuse_old(octets)
    if any(0x80 <= octet < 0xA0 for octet in octets):  # controls in Latin-1: nobody types them
        try:
            return octets.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            pass
    text = octets.decode("latin-1")
    if _LATIN_9_LETTER.search(text):
        return octets.decode("iso8859-15"), "Latin-9"
    return text, "Latin-1"


_LATIN_9_LETTER: Final = re.compile(r"[^\W\d_][¼½¾]|[¼½¾][^\W\d_]|¾[^\W\d_]")
"""Œ, œ and Ÿ of Latin-9 are fractions in Latin-1, which stand beside no letter."""


def _refuse_old(octets: bytes) -> None:
    scores = dict.fromkeys((codec for codec, _ in _OLD), 0)
    ours, worst, worst_score = 0, b"", 0
    for word in _words_beyond_ascii(octets):
        mine = _score(_read_as(word, "cp1252"))
        ours += mine
        if mine < worst_score:
            worst, worst_score = word, mine
        for codec in scores:
            scores[codec] += _score(_read_as(word, codec))
    codec, words = max(_OLD, key=lambda one: scores[one[0]])
    if not worst or scores[codec] <= max(0, ours):
        return
    line_no = _line_at(octets, octets.index(worst))
    here, there = (_read_as(worst, one)[:_SHOWN_LENGTH] for one in ("cp1252", codec))
    raise BadText(
        f"{here!r} is perhaps {there!r}, written in {words}: open the file in that encoding and"
        " save it as UTF-8",
        line_no,
    )


_WORD: Final = re.compile(rb"[A-Za-z'\x80-\xff-]*[\x80-\xff][A-Za-z'\x80-\xff-]*")


def _words_beyond_ascii(octets: bytes) -> Iterator[bytes]:
    """Each once: a list of people repeats its towns ten thousand times."""
    yield from dict.fromkeys(found[0] for found in _WORD.finditer(octets))


def _read_as(word: bytes, codec: str) -> str:
    return word.decode(codec, "replace")


_COMMON: Final = frozenset("éèêëàâçôîïûùüœæÉÈÊËÀÂÇÔÎÏÛÙÜŒÆ")
_USUAL: Final = frozenset("áíóúñãõäößåøýÿžšÁÍÓÚÑÃÕÄÖÅØÝŽŠŸ’")
_SIGNS: Final = frozenset("«»°–—…“”•·\u00a0")
_FIRST_ONLY: Final = frozenset("ŽŠ")  # é and ä of Mac Roman; beside Ć and Č they are not ours


def _score(word: str) -> int:
    """How likely these letters are, in a name or an address: below nought where they cannot be."""
    return sum(
        _score_of(character, word[at - 1 : at], word[at + 1 : at + 2])
        for at, character in enumerate(word)
        if not character.isascii()
    )


def _score_of(character: str, before: str, after: str) -> int:
    """before, after: its neighbours, empty at the ends."""
    if character in _SIGNS:
        return -2 if before.isalpha() and after.islower() else 0
    if character not in _COMMON and character not in _USUAL:
        return -3
    if character.isupper():
        is_inside = before.isalpha() and (before.islower() or after.islower())
        is_apostrophe = character == "Õ" and before in set("DdLl")
        is_strange = is_inside or is_apostrophe or (character in _FIRST_ONLY and before.isalpha())
        return -3 if is_strange else 2 if character in _COMMON else 1
    if before.isupper() and after.isupper() and character.isalpha():
        return 0  # capitals made by a program that knows none with accents
    return 2 if character in _COMMON else 1


# --- spaces and what nobody sees ---------------------------------------------------------


def plain(text: str) -> str:
    """Spaces of every width and tabs as spaces; without what takes no room at all.

    That is: zero-width characters, direction marks, soft hyphens, a mark of the byte order.
    Web pages and spreadsheets put them into names, and nobody sees them there.
    """
    if text.isascii():
        return text.replace("\t", " ")
    return "".join(map(_plain, text))


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs" or character == "\t":
        return " "
    return "" if category == "Cf" else character


# --- text that was spoilt before it came here ---------------------------------------------


def spoilt_words(text: str) -> str | None:
    """What happened to the letters of a text, and what it was perhaps; None: nothing shows."""
    if text.isascii():
        return None
    if LOST in text:
        return "a letter was lost here, which shows as \ufffd: write it again"
    if not _TWO_BEYOND_ASCII.search(text):  # an octet of UTF-8 never stands alone
        return None
    before = "".join(_undoubled(one) for one in re.split("([ \t\r\n]+)", text))
    if before != text:
        return f"{_shown(text)} is perhaps {_shown(before)}, saved as UTF-8 twice: write it again"
    return None


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_LENGTH])


_TWO_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]{2}")
_DOUBLED: Final = ("cp1252", "mac_roman", "cp850")


def _undoubled(word: str) -> str:
    """What a word was before its UTF-8 was taken for letters of another encoding."""
    if word.isascii():
        return word
    for codec in _DOUBLED:
        try:
            before = _octets_of(word, codec).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if all(map(_is_ours, before)):
            return before
    return word


def _is_ours(character: str) -> bool:
    return (
        character.isascii()
        or character in _SIGNS
        or unicodedata.name(character, "").startswith(("LATIN", "COMBINING", "RIGHT SINGLE"))
    )


def _octets_of(word: str, codec: str) -> bytes:
    """Windows-1252 with the controls where it has no letter, as programs wrote them."""
    return b"".join(
        bytes((ord(character),))
        if codec == "cp1252" and unicodedata.category(character) == "Cc"
        else character.encode(codec)
        for character in word
    )
