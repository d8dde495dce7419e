"""Dot-stuffing, the same for messages that leave by SMTP and by POP3: pure.

A line that begins with a dot gets another one in front, and a line of a dot alone ends the
message (RFC 5321 §4.5.2, RFC 1939 §3).  A line ends with CRLF and nothing else: the store takes
no bare LF.
"""

from __future__ import annotations

from typing import Final

FINAL_DOT: Final = b".\r\n"


class Stuffer:
    """Doubles the dot at the beginning of a line, and begins at one.

    A chunk may end anywhere, also inside a CRLF.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last two octets before the next chunk

    def feed(self, chunk: bytes) -> bytes:
        """chunk: the next octets of the message; what is sent for them."""
        window = self._tail + chunk
        kept = len(self._tail)
        self._tail = window[-2:]
        if b"\r\n." not in window:
            return chunk
        return window.replace(b"\r\n.", b"\r\n..")[kept:]
