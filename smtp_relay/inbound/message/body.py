"""The data of a message, read as it comes: sans-IO, whole chunks, never lines.

Only CR LF . CR LF ends the data (RFC 5321 §4.1.1.4): a reader that took
anything else would let a message hold another one.  What could be the
beginning of that mark at the end of a chunk, at most four octets, is held back
for the next chunk; so a piece never ends inside a CR LF, and every check below
may look at one piece alone.

    wire  --feed-->  held + chunk  --cut at the mark-->  piece  --undot-->  stored octets

The CR LF that ended the DATA command counts as the first two octets.

Bare LF, from those whose line ends are mended (our own people's scripts):

    CR LF . CR LF      ends the data                           everybody
    LF . LF            \
    LF . CR LF          > text: lines that begin with a dot,   a stranger's message is refused
    CR LF . LF         /  which is dropped as on every line
    CR . CR            a bare CR: the message is refused       everybody

What is measured, hashed and stored is the mended text.

How a message begins: has it a header at all, and does a line of a mailbox file stand above it?

    begins with               is                                     our own block ends with
    a field                   a header block                         nothing more
    an empty line             a message without header               nothing more
    `From ` or `>From `, and  a header block under the separator     a field's name, whose value the
      then a field            of a mailbox file, which scripts and   line becomes; on submission the
                              old programs send along                line is dropped
    anything else, nothing    text only (RFC 5322 §2.1)              an empty line

The header of a message ends at its first empty line; where it brings neither,
what we put above it would run into its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailserver.values.message import BodyFacts
from smtp_relay.inbound.message.header import Cleaning, HeaderBlock

_CRLF = b"\r\n"
_MARK = b"\r\n.\r\n"
_DOTTED = b"\r\n."
MAX_DROPPED_SEPARATORS = 10
LONG_LINE_OCTETS = 998  # RFC 5322 §2.1.1; longer ones are measured
_LEAP_OCTETS = LONG_LINE_OCTETS + len(_CRLF)
_BEGINNINGS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_MENDED_BEGINNINGS = (*_BEGINNINGS, b"\n.", b"\n")
_BARE_LF = re.compile(rb"(?<!\r)\n\.?")
_DOTTED_AFTER_BARE_LF = re.compile(rb"(?<!\r)\n\.\.")
FIELD_OF_SEPARATOR = b"X-Mailbox-Line: "  # Postfix calls it so
MAX_OPENING_OCTETS = 2048
"""What has not begun a field by then begins none: a line has 1,000 (RFC 5322 §2.1.1)."""

_FIELD_START = re.compile(rb"[!-9;-~]++[ \t]*+:")
_SEPARATOR = re.compile(rb">*From [^\r\n]*\r\n")
_BEGINNING = re.compile(
    rb"[!-9;-~]*[ \t]*"  # of a field
    rb"|>*(?:F(?:r(?:o(?:m(?: [^\r\n]*)?)?)?)?)?"  # of a separator
)


class DataReader:
    """Reads one message.  `rest` is None until the mark has come, then what followed it."""

    __slots__ = (
        "_dotted_line_count",
        "_drops_separators",
        "_held",
        "_is_8bit",
        "_is_at_start",
        "_line_octets",
        "_longest_line_octets",
        "_max_octets",
        "_mends_line_ends",
        "_opening",
        "begins_with_separator",
        "has_bare_cr_or_lf",
        "has_header",
        "has_nul",
        "header",
        "is_signed_by_us",
        "is_too_large",
        "is_unvouched",
        "rest",
        "size_octets",
        "wire_octets",
    )

    def __init__(
        self,
        *,
        max_octets: int,
        max_header_octets: int,
        keep_header: bool,
        mends_line_ends: bool = False,
        drops_separators: bool = False,
        cleaning: Cleaning | None = None,
    ) -> None:
        """mends_line_ends: a bare LF becomes CR LF, and is no reason to refuse the message.

        drops_separators: lines of a mailbox file above the header go.
        cleaning: what goes out of the header; None: nothing.
        """
        self._drops_separators = drops_separators
        self._max_octets = max_octets
        self._mends_line_ends = mends_line_ends
        self._opening: bytes | None = b""  # until it is known how the message begins
        self._held = _CRLF
        self._is_at_start = True
        self._dotted_line_count = 0
        self._line_octets = 0  # of the line that the last piece left open
        self._longest_line_octets = 0
        self._is_8bit = False
        self.has_nul = False
        self.is_unvouched = False  # these two are set from outside (`authorship`)
        self.is_signed_by_us = False
        self.has_header = False  # or an empty line in its place
        self.begins_with_separator = False  # which stands above the header
        self.header = HeaderBlock(max_octets=max_header_octets, keep=keep_header, cleaning=cleaning)
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
            has_nul=self.has_nul,
            longest_line_octets=self._longest_line_octets,
            dotted_line_count=self._dotted_line_count,
            is_unvouched=self.is_unvouched,
            is_signed_by_us=self.is_signed_by_us,
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
            self._held = held = self._beginning_of_mark(window)
            octets = window[: -len(held)] if held else window
        if 0 <= dotted < len(octets) - len(_CRLF):
            self._dotted_line_count += octets.count(b"\r\n..")
            octets = octets.replace(_DOTTED, _CRLF)
        if self._is_at_start and octets:
            self._is_at_start = False
            octets = octets[len(_CRLF) :]
        if self._mends_line_ends and octets.count(b"\n") != octets.count(_CRLF):
            octets = self._mend(octets)
        if self._opening is not None:
            octets = self._open(self._opening + octets)
        return self._note(octets) if octets else b""

    def _mend(self, octets: bytes) -> bytes:
        """Each bare LF becomes CR LF, without the dot that stood behind it."""
        self._dotted_line_count += len(_DOTTED_AFTER_BARE_LF.findall(octets))
        return _BARE_LF.sub(_CRLF, octets)

    def _open(self, octets: bytes) -> bytes:
        """Hold the first octets back until it is known how the message begins."""
        opening = read_opening(
            octets,
            is_all=self.rest is not None,
            most_separators=MAX_DROPPED_SEPARATORS if self._drops_separators else 1,
        )
        if opening is None:
            self._opening = octets
            return b""
        self._opening = None
        self.has_header = opening.has_header
        if not opening.has_header:
            self.header.is_complete = True
        if self._drops_separators:
            return octets[opening.separator_octets :]
        self.begins_with_separator = opening.separator_octets > 0
        return octets

    def _beginning_of_mark(self, window: bytes) -> bytes:
        """The longest end of the window that may be the beginning of the mark.

        A bare LF that is mended is held, too: a dot that follows it goes, a second one is counted.
        """
        for beginning in _MENDED_BEGINNINGS if self._mends_line_ends else _BEGINNINGS:
            if window.endswith(beginning):
                return beginning
        return b""

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
            self.has_nul = True
        if not self.header.is_complete:
            self.size_octets -= len(octets)
            octets = self.header.feed(octets, is_last=self.rest is not None)
            self.size_octets += len(octets)
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


@dataclass(frozen=True, slots=True)
class Opening:
    """separator_octets: of lines in front of the header."""

    has_header: bool
    separator_octets: int = 0


_TEXT, _HEADER = Opening(has_header=False), Opening(has_header=True)


def read_opening(octets: bytes, *, is_all: bool, most_separators: int) -> Opening | None:
    """What begins so; None: that cannot be said yet.

    octets: the message from its first octet on, never ending within a CRLF.
    is_all: nothing follows.
    most_separators: lines above a header; more of them are text.
    """
    if _FIELD_START.match(octets, 0, MAX_OPENING_OCTETS) or octets.startswith(b"\r\n"):
        return _HEADER
    is_cut = len(octets) > MAX_OPENING_OCTETS
    octets = octets[:MAX_OPENING_OCTETS]
    at = count = 0
    while (line := _SEPARATOR.match(octets, at)) is not None:
        at, count = line.end(), count + 1
    if 0 < count <= most_separators and _FIELD_START.match(octets, at) is not None:
        return Opening(has_header=True, separator_octets=at)
    if is_all or is_cut or not _BEGINNING.fullmatch(octets, at):
        return _TEXT
    return None
