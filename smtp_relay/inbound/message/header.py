"""The header block: found while the message streams by, cleaned, kept only when wanted, bounded.

The block ends with the first empty line (RFC 5322 §2.1); a message without one
is all header, but one whose first line is no header field has none (`body.read_opening`).

Fields that do not go on are taken out meanwhile:

| field                   | where       | why                                                     |
| ----------------------- | ----------- | ------------------------------------------------------- |
| Bcc, Resent-Bcc         | submission  | whom it names, nobody else shall know (RFC 5322 §3.6.3) |
| Return-Path             | submission  | final delivery writes it; what starts here has none,    |
|                         |             | or names somebody else as its sender (RFC 5321 §4.4)    |
| Authentication-Results  | strangers,  | in our name, who have written none: a forgery           |
|   of our own host       | submission  | (RFC 8601 §5)                                           |

Nothing is decoded, and never more than one line and one field of results is held.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from mailserver.values.address import fold_domain

_NOT_SUBMITTED: Final = frozenset({b"bcc", b"resent-bcc", b"return-path"})
_RESULTS: Final = b"authentication-results"
_MAX_HELD_OCTETS: Final = 4096
_WSP: Final = (b" ", b"\t")
# RFC 8601 §2.2: [CFWS] authserv-id; a comment in a comment is rarer than a forger's second try.
_CFWS = re.compile(rb"(?:[ \t\r\n]|\((?:[^()\\]|\\.|\([^()]*\))*\))*")
_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
_SERVER_ID = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^\s;()"]+)')
_EMPTY_LINE = b"\r\n\r\n"
_RECEIVED = b"\nreceived:"
_TAIL_OCTETS = len(_RECEIVED) - 1  # what a piece may hold of a mark that the next one ends


class HeaderBlock:
    """Looks for the end of the header block, and takes out what does not go on.

    octets: the length of what stays, empty line included.  received_count: its Received
        fields, one for each server that the message has passed.
    is_complete: set from outside where there is none at all.
    """

    __slots__ = ("_cleaning", "_filter", "_keep", "_kept", "_max_octets", "_tail", "is_complete",
                 "is_too_large", "octets", "received_count")  # fmt: skip

    def __init__(self, *, max_octets: int, keep: bool, cleaning: Cleaning | None = None) -> None:
        self._max_octets = max_octets
        self._keep = keep
        self._cleaning = cleaning
        self._filter: FieldFilter | None = None
        self._kept: list[bytes] = []
        self._tail = b"\r\n"  # an empty first line ends the block too
        self.octets = 0
        self.received_count = 0
        self.is_complete = False
        self.is_too_large = False

    def feed(self, piece: bytes, *, is_last: bool = False) -> bytes:
        """Take the next octets of the message, dot-unstuffed; what stays of them.

        Not called once complete.  is_last: nothing follows.
        """
        window = self._tail + piece
        text = b""
        found = window.find(_EMPTY_LINE)
        if found >= 0:
            taken = found + len(_EMPTY_LINE) - len(self._tail)
            self.is_complete = True
            piece, text = piece[:taken], piece[taken:]
            window = window[:found]
        else:
            self._tail = window[-_TAIL_OCTETS:]
        lowered = window.lower()
        self.received_count += lowered.count(_RECEIVED)
        if self._cleaning is not None:
            piece = self._clean(piece, lowered, is_last=is_last or self.is_complete)
        self.octets += len(piece)
        if self.octets > self._max_octets:
            self.is_too_large = True
            self._kept = []
        elif self._keep:
            self._kept.append(piece)
        return piece + text if text else piece

    def _clean(self, piece: bytes, lowered: bytes, *, is_last: bool) -> bytes:
        """Nearly always the first piece holds the block, and nothing that goes."""
        assert self._cleaning is not None
        if self._filter is None:
            if is_last and not self._cleaning.may_be_in(lowered):
                return piece
            self._filter = FieldFilter(self._cleaning)
        return self._filter.feed(piece, is_last=is_last)

    def kept(self) -> bytes:
        """The kept block as far as it has come."""
        return b"".join(self._kept)

    def take(self) -> bytes:
        """The kept block; forgets it."""
        block, self._kept = b"".join(self._kept), []
        return block


class Cleaning:
    """What one door takes out.  `own_names`: our hosts and domains, folded."""

    __slots__ = ("_names", "_own_names")

    def __init__(self, own_names: Collection[str], *, is_submission: bool) -> None:
        self._own_names = frozenset(own_names)
        self._names = (_RESULTS, *sorted(_NOT_SUBMITTED)) if is_submission else (_RESULTS,)

    def may_be_in(self, lowered: bytes) -> bool:
        """A look that costs nothing where, as nearly always, no such field is there."""
        for name in self._names:  # noqa: SIM110 - for every message: half the time of `any`
            if name in lowered:
                return True
        return False

    def may_begin(self, lowered: bytes) -> bool:
        """Could a line that begins so be one of these fields?"""
        return any(name.startswith(lowered) for name in self._names)

    def is_dropped(self, name: bytes) -> bool:
        """Whatever it says."""
        return name in _NOT_SUBMITTED and name in self._names

    def is_forged(self, field: bytes) -> bool:
        """Does this field of results, whole or its beginning, claim to be of a host of ours?"""
        value = field.partition(b":")[2]
        at = _CFWS.match(value)
        found = _SERVER_ID.match(value, 0 if at is None else at.end())
        if found is None:
            return True  # nobody can say whose it is
        server = fold_domain((found[1] or found[2] or b"").decode("utf-8", "replace"))
        return any(server == own or server.endswith(f".{own}") for own in self._own_names)


class FieldFilter:
    """One header block, in pieces that never end within a CRLF."""

    __slots__ = ("_cleaning", "_held", "_is_at_line_start", "_is_dropping", "_results")

    def __init__(self, cleaning: Cleaning) -> None:
        self._cleaning = cleaning
        self._held = b""  # the beginning of a line
        self._is_at_line_start = True
        self._is_dropping = False
        self._results: bytes | None = None  # a field of results so far

    def feed(self, piece: bytes, *, is_last: bool) -> bytes:
        """What stays of the next octets; with `is_last` nothing is held any more."""
        data, self._held = self._held + piece, b""
        is_busy = self._is_dropping or self._results is not None
        lowered = data.lower()
        if is_busy or self._cleaning.may_be_in(lowered):
            return self._by_lines(data, is_last=is_last)
        end = data.rfind(b"\n") + 1
        is_beginning = end < len(data) and (end > 0 or self._is_at_line_start)
        if is_beginning and not is_last and self._cleaning.may_begin(lowered[end:]):
            self._held, data = data[end:], data[:end]
            self._is_at_line_start = True
            return data
        self._is_at_line_start = end == len(data)
        return data

    def _by_lines(self, data: bytes, *, is_last: bool) -> bytes:
        kept: list[bytes] = []
        for line in _LINES.findall(data):
            is_whole = line.endswith(b"\n")
            is_beginning = not is_whole and self._is_at_line_start
            if is_beginning and not is_last and len(line) < _MAX_HELD_OCTETS:
                self._held = line
                break
            self._take(line, kept)
            self._is_at_line_start = is_whole
        if is_last:
            self._settle(kept)
        return b"".join(kept)

    def _take(self, line: bytes, kept: list[bytes]) -> None:
        """A line, or a piece of a long one."""
        if self._is_at_line_start and not line.startswith(_WSP):
            self._settle(kept)
            name = line.partition(b":")[0].strip().lower()
            self._is_dropping = self._cleaning.is_dropped(name)
            if name == _RESULTS and b":" in line:
                self._results = b""
        if self._results is not None:
            self._results += line
            if len(self._results) > _MAX_HELD_OCTETS:
                self._is_dropping = self._cleaning.is_forged(self._results)
                self._settle(kept)
        elif not self._is_dropping:
            kept.append(line)

    def _settle(self, kept: list[bytes]) -> None:
        """The field of results is whole, or long enough."""
        results, self._results = self._results, None
        if results is not None and not self._cleaning.is_forged(results):
            kept.append(results)
