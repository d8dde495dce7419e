"""Encoded words of header fields (RFC 2047), as a list writes them.

`values.text.header_text` reads them.

encoded-word = "=?" charset "?" encoding "?" encoded-text "?="     at most 75 octets
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

_WORD_CHARACTERS: Final = 11  # of four octets each: 72 octets with what stands around them


def encode_words(text: str) -> bytes:
    """UTF-8 in base 64, as many words as it takes; no character is cut in two."""
    pieces = (text[i : i + _WORD_CHARACTERS] for i in range(0, len(text), _WORD_CHARACTERS))
    return b" ".join(b"=?utf-8?b?" + b64encode(piece.encode()) + b"?=" for piece in pieces)
