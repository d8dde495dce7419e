"""The hash of a body in its relaxed canonical form, fed while the body arrives.

RFC 6376 §3.4.4: white space at line ends goes, runs of white space become one
space, empty lines at the end go, and a body that is not empty ends with CRLF.
An empty body stays empty.

What the next octets may change is kept back, and it is never more than this:

    hashed | pairs: count of CRLF     | open: b"" | b" " | b"\\r" | b" \\r"
           | (the end, if no line     | (white space, or half a CRLF, at the
           |  with text follows)      |  end of what came)

So the memory is bounded whatever comes, and any cutting of the octets gives
the same hash.  A CR or LF alone is content; a message that has one is refused
before anybody asks for its hash.
"""

from __future__ import annotations

import hashlib
from typing import Final

from mailserver.dkim.canonical import squeeze

_CRLF: Final = b"\r\n"
_BLOCK_PAIRS: Final = 32 * 1024  # hashed at once, of empty lines that turned out not to be last


class BodyHash:
    """SHA-256 of one body.  `digest` ends it."""

    __slots__ = ("_hash", "_is_empty", "_open", "_pairs")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._is_empty = True
        self._open = b""
        self._pairs = 0

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the body, dot-unstuffed."""
        window = squeeze(self._open + octets if self._open else octets)
        window = window.replace(b" \r\n", _CRLF)
        end = _open_end(window)
        self._open = window[end:]
        pairs = _final_pairs(window, end)
        text_end = end - len(_CRLF) * pairs
        if text_end:
            self._take_text(window[:text_end])
            self._pairs = pairs
        else:
            self._pairs += pairs

    def digest(self) -> bytes:
        """The 32 octets of `bh=`, once all octets were fed."""
        if b"\r" in self._open:
            self._take_text(self._open)
        if not self._is_empty:
            self._hash.update(_CRLF)
        return self._hash.digest()

    def _take_text(self, text: bytes) -> None:
        """`text` does not end with CRLF; the empty lines before it were not the last."""
        while self._pairs:
            count = min(self._pairs, _BLOCK_PAIRS)
            self._hash.update(_CRLF * count)
            self._pairs -= count
        self._hash.update(text)
        self._is_empty = False


def _open_end(window: bytes) -> int:
    """Where the part begins that the next octets may change."""
    end = len(window)
    if window.endswith(b"\r"):
        end -= 1
    if window.endswith(b" ", 0, end):
        end -= 1
    return end


def _final_pairs(window: bytes, end: int) -> int:
    """How many CRLF stand before `end` with nothing between them."""
    if not window.endswith(_CRLF, 0, end):
        return 0
    begin = len(window[:end].rstrip(_CRLF))
    # After the last two equal octets they alternate, and the last is LF: pairs, and
    # perhaps an LF alone in front of them.
    even = max(window.rfind(b"\n\n", begin, end), window.rfind(b"\r\r", begin, end)) + 1
    return (end - max(begin, even)) // len(_CRLF)
