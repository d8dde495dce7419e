"""Header octets -> text for people: the one place where they are decoded (RFC 2047).

    octets over 127   UTF-8 where all of them are; else Windows-1252, which is what programs
                      mean that write such octets raw, or call them ISO-8859-1
    encoded words     decoded; one that cannot be read stays as it is written.  Those beside each
                      other in one charset are one text: programs cut characters in two
                      (RFC 2047 §5 forbids it)
    spaces in a word  old programs write them: read; so is base64 without its `=`

Never an error, and never a character that stands for a lost one, unless one is
asked for.  What is shown may hold controls: whoever shows it makes it harmless for
the place.
"""

from __future__ import annotations

import codecs
import re
from base64 import b64decode
from collections.abc import Iterator
from quopri import decodestring
from typing import Final, Literal

Errors = Literal["strict", "replace", "ignore"]

MAX_READ_OCTETS: Final = 2_000
_WORD = re.compile(r"=\?([^?\s]+)\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_BETWEEN = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
# A character of UTF-8 that a limit has cut in two.
_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")
_WINDOWS_1252: Final = {
    code: text for code in range(0x80, 0xA0) if (text := bytes([code]).decode("cp1252", "ignore"))
}
_ALSO_WINDOWS_1252: Final = frozenset({"iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"})

# Codecs of Python's own.
_NO_CHARSETS: Final = frozenset(
    {"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined"}
)


def decode_octets(octets: bytes, *, most_octets: int = MAX_READ_OCTETS) -> str:
    """The beginning of what stands in a field, without a look at encoded words."""
    if len(octets) > most_octets:
        octets = _CUT_CHARACTER.sub(b"", octets[:most_octets])
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1").translate(_WINDOWS_1252)


def decode_words(value: bytes) -> str:
    """The beginning of an unfolded value, as a person reads it."""
    return read_words(decode_octets(value))


def read_words(text: str, *, errors: Errors = "strict") -> str:
    """Encoded words become what they say.

    errors: other than `strict` is for who looks for what other programs may show: what cannot be
        read is marked (U+FFFD) or left out, and an unknown charset is guessed.
    """
    if "=?" not in text:
        return text
    text = _BETWEEN.sub("", text)
    pieces: list[str] = []
    position = 0
    for run in _runs(text):
        pieces += (text[position : run[0].start()], _said(run, errors))
        position = run[-1].end()
    return "".join(pieces) + text[position:]


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Encoded words with nothing between them, of one charset."""
    run: list[re.Match[str]] = []
    for word in _WORD.finditer(text):
        if run and (word.start() != run[-1].end() or _charset(word) != _charset(run[-1])):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _said(run: list[re.Match[str]], errors: Errors) -> str:
    name = _charset(run[0])
    try:
        return _in_charset(b"".join(_octets(word, errors) for word in run), name, errors)
    except (LookupError, ValueError):
        if len(run) > 1:
            return "".join(_said([word], errors) for word in run)
        if errors == "strict":
            return run[0][0]
        return decode_octets(_octets(run[0], errors), most_octets=len(run[0][0]))


def _charset(word: re.Match[str]) -> str:
    return word[1].partition("*")[0].lower()  # RFC 2231 §5: a language


def _octets(word: re.Match[str], errors: Errors) -> bytes:
    octets = word[3].encode("utf-8")
    if word[2] in "qQ":
        return decodestring(octets, header=True)
    octets = _NO_BASE64.sub(b"", octets) if errors != "strict" else b"".join(octets.split())
    octets = octets.rstrip(b"=")
    if errors != "strict" and len(octets) % 4 == 1:
        octets = octets[:-1]  # six bits are no octet
    return b64decode(octets + b"=" * (-len(octets) % 4), validate=True)


def _in_charset(octets: bytes, name: str, errors: Errors) -> str:
    if name in _ALSO_WINDOWS_1252:
        return decode_octets(octets, most_octets=len(octets))
    codec = codecs.lookup(name)
    if codec.name in _NO_CHARSETS:
        raise LookupError(name)
    return octets.decode(codec.name, errors)
