"""Header octets -> text for people: the one place where they are decoded (RFC 2047).

    octets over 127   UTF-8 where all of them are; else Windows-1252, which is what programs
                      mean that write such octets raw, or call them ISO-8859-1
    encoded words     decoded; one that cannot be read stays as it is written
    spaces in a word  old programs write them: read

Never an error, and never a character that stands for a lost one.  What is shown
may hold controls: whoever shows it makes it harmless for the place.
"""

from __future__ import annotations

import re
from base64 import b64decode
from quopri import decodestring
from typing import Final

MAX_READ_OCTETS: Final = 2_000
_WORD = re.compile(r"=\?([^?\s]+)\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
# A character of UTF-8 that a limit has cut in two.
_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")
_WINDOWS_1252: Final = {
    code: text for code in range(0x80, 0xA0) if (text := bytes([code]).decode("cp1252", "ignore"))
}
_ALSO_WINDOWS_1252: Final = frozenset({"iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"})


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


def read_words(text: str) -> str:
    """Encoded words become what they say."""
    return _WORD.sub(_decoded, _BETWEEN.sub("", text)) if "=?" in text else text


def _decoded(word: re.Match[str]) -> str:
    charset, encoding, text = word.groups()
    octets = text.encode("utf-8")
    name = charset.partition("*")[0].lower()  # RFC 2231 §5: a language
    try:
        octets = b64decode(octets) if encoding in "bB" else decodestring(octets, header=True)
        if name in _ALSO_WINDOWS_1252:
            return decode_octets(octets)
        return octets.decode(name, "replace")
    except (LookupError, ValueError):
        return word[0]
