"""Encoded words of header fields (RFC 2047): read leniently, written strictly.

    encoded-word = "=?" charset "?" encoding "?" encoded-text "?="     at most 75 octets

Leniency: a word with spaces in it, which old programs write, is read; one that
cannot be read stays as it is written, and the others are read all the same.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from quopri import decodestring
from typing import Final

MAX_READ_OCTETS: Final = 1_000
_WORD_CHARACTERS: Final = 11  # of four octets each: 72 octets with what stands around them
_WORD = re.compile(r"=\?([^?\s]+)\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=\?=)[ \t]+(?==\?)")


def encode_words(text: str) -> bytes:
    """UTF-8 in base 64, as many words as it takes; no character is cut in two."""
    pieces = (text[i : i + _WORD_CHARACTERS] for i in range(0, len(text), _WORD_CHARACTERS))
    return b" ".join(b"=?utf-8?b?" + b64encode(piece.encode()) + b"?=" for piece in pieces)


def decode_words(value: bytes) -> str:
    """The beginning of an unfolded value, as a person reads it."""
    text = value[:MAX_READ_OCTETS].decode("utf-8", "replace")
    if "=?" not in text:
        return text
    return _WORD.sub(_decoded, _BETWEEN.sub("", text))


def _decoded(word: re.Match[str]) -> str:
    charset, encoding, text = word.groups()
    octets = text.encode("utf-8")
    try:
        octets = b64decode(octets) if encoding in "bB" else decodestring(octets, header=True)
        return octets.decode(charset.partition("*")[0], "replace")  # RFC 2231 §5: a language
    except (LookupError, ValueError):
        return word[0]
