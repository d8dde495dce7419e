"""The data of a message, read as it comes: sans-IO, whole chunks, never lines.

Only CR LF . CR LF ends the data (RFC 5321 §4.1.1.4): a reader that took
anything else would let a message hold another one.  What could be the
beginning of that mark at the end of a chunk, at most four octets, is held back
for the next chunk; so a piece never ends inside a CR LF, and every check below
may look at one piece alone.

    wire  --feed-->  held + chunk  --cut at the mark-->  piece  --undot-->  stored octets

The CR LF that ended the DATA command counts as the first two octets.
"""

from __future__ import annotations

from mailserver.values.message import BodyFacts
from smtp_relay.inbound.headers import HeaderBlock

_CRLF = b"\r\n"
_MARK = b"\r\n.\r\n"
_DOTTED = b"\r\n."
LONG_LINE_OCTETS = 998  # RFC 5322 §2.1.1; longer ones are measured
_LEAP_OCTETS = LONG_LINE_OCTETS + len(_CRLF)
_BEGINNINGS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class DataReader:
    """Reads one message.  `rest` is None until the mark has come, then what followed it."""

    __slots__ = (
        "_dotted_line_count",
        "_has_nul",
        "_held",
        "_is_8bit",
        "_is_at_start",
        "_line_octets",
        "_longest_line_octets",
        "_max_octets",
        "has_bare_cr_or_lf",
        "header",
        "is_too_large",
        "rest",
        "size_octets",
        "wire_octets",
    )

    def __init__(self, *, max_octets: int, max_header_octets: int, keep_header: bool) -> None:
        self._max_octets = max_octets
        self._held = _CRLF
        self._is_at_start = True
        self._dotted_line_count = 0
        self._line_octets = 0  # of the line that the last piece left open
        self._longest_line_octets = 0
        self._is_8bit = False
        self._has_nul = False
        self.header = HeaderBlock(max_octets=max_header_octets, keep=keep_header)
        self.has_bare_cr_or_lf = False
        self.is_too_large = False
        self.size_octets = 0
        self.wire_octets = 0
        self.rest: bytes | None = None

    @property
    def is_endless(self) -> bool:
        """Twice the limit has come and still no end: not worth reading on."""
        return self.wire_octets > 2 * self._max_octets + _ENDLESS_SLACK_OCTETS

    @property
    def facts(self) -> BodyFacts:
        return BodyFacts(
            header_octets=self.header.octets,
            ends_with_crlf=True,  # the mark's own CR LF; nothing at all ends the head's last line
            is_8bit=self._is_8bit,
            has_nul=self._has_nul,
            longest_line_octets=self._longest_line_octets,
            dotted_line_count=self._dotted_line_count,
        )

    def feed(self, data: bytes) -> bytes:
        """Take what came; return the octets to store, empty when they are not wanted."""
        self.wire_octets += len(data)
        window = self._held + data if self._held else data
        # Most large bodies are base64, which has no dot at all: one look for it costs nothing.
        dotted = window.find(_DOTTED) if b"." in window else -1
        end = window.find(_MARK, dotted) if dotted >= 0 else -1
        if end >= 0:
            self.rest = window[end + len(_MARK) :]
            self._held = b""
            octets = window[: end + len(_CRLF)]
        else:
            self._held = held = _beginning_of_mark(window)
            octets = window[: -len(held)] if held else window
        if 0 <= dotted < len(octets) - len(_CRLF):
            self._dotted_line_count += octets.count(b"\r\n..")
            octets = octets.replace(_DOTTED, _CRLF)
        if self._is_at_start and octets:
            self._is_at_start = False
            octets = octets[len(_CRLF) :]
        return self._note(octets) if octets else b""

    def _note(self, octets: bytes) -> bytes:
        """Note what later decisions need of the next octets; return those to store."""
        self.size_octets += len(octets)
        if self.size_octets > self._max_octets:
            self.is_too_large = True
            return b""
        self._measure_lines(octets)
        outside = octets.replace(_CRLF, b"  ")  # of the same length: twice as fast as without
        if b"\n" in outside or b"\r" in outside:
            self.has_bare_cr_or_lf = True
        if not octets.isascii():
            self._is_8bit = True
        if b"\0" in octets:
            self._has_nul = True
        if not self.header.is_complete:
            self.header.feed(octets)
        return b"" if self.header.is_too_large else octets

    def _measure_lines(self, octets: bytes) -> None:
        """Note the longest line over the usual limit, by leaps of that limit and not by lines."""
        size = len(octets)
        begin = -self._line_octets  # of the line that is open, counted from this piece
        while (reach := begin + _LEAP_OCTETS) < size:
            end = octets.rfind(b"\n", max(begin, 0), reach) if reach > 0 else -1
            if end < 0:  # a long one
                end = octets.find(b"\n", max(reach, 0))
                if end < 0:
                    break
                self._longest_line_octets = max(self._longest_line_octets, end - 1 - begin)
            begin = end + 1
        last = octets.rfind(b"\n")
        self._line_octets = size - (begin if last < 0 else last + 1)


_ENDLESS_SLACK_OCTETS = 1024 * 1024


def _beginning_of_mark(window: bytes) -> bytes:
    """The longest end of the window that may be the beginning of the mark."""
    for beginning in _BEGINNINGS:
        if window.endswith(beginning):
            return beginning
    return b""
