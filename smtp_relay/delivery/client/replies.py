"""The answers of a peer that may say anything.

    Reply-line  = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
    Reply-code  = %x32-35 %x30-35 %x30-39                 ; RFC 5321 §4.2

The second digit is not looked at, and a line may end with a bare LF: there are
servers that do both.  Whatever comes, the reader holds at most one incomplete
reply, bounded in lines and in octets; nonsense is a fault, said in words.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mailserver.values.text.header_text import decode_octets

MAX_LINE_OCTETS: Final = 4096  # RFC 5321 §4.5.3.1.5 says 512; some banners are longer
MAX_LINES: Final = 200
MAX_REPLY_OCTETS: Final = 64 * 1024
MAX_WORDS: Final = 1000  # characters

CLOSING: Final = 421
"""Whenever it comes, the peer closes the connection (RFC 5321 §3.8)."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\r?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)")  # RFC 3463 §2


class Reply(NamedTuple):
    """lines: the text of each, without code and line end; at least one."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def is_positive(self) -> bool:
        return self.code < 300

    @property
    def is_intermediate(self) -> bool:
        return 300 <= self.code < 400

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    @property
    def enhanced(self) -> str:
        """The code of RFC 3463 that it begins with, if its class fits; else empty."""
        found = _ENHANCED.match(self.lines[0][:16].decode("ascii", "replace"))
        if found is None or int(found[1][0]) != self.code // 100:
            return ""
        return found[1]

    @property
    def status(self) -> str:
        """An enhanced code in any case: X.0.0 where the peer gave none."""
        return self.enhanced or f"{self.code // 100}.0.0"

    @property
    def words(self) -> str:
        """All of it in one line: the code once, then what each line says."""
        enhanced = self.enhanced.encode("ascii")
        texts = [self.lines[0], *(_without(line, enhanced) for line in self.lines[1:])]
        return readable(b"%d %s" % (self.code, b" ".join(texts)))


def readable(octets: bytes) -> str:
    """What a peer said, for people: unprintable characters escaped, at most `MAX_WORDS` long.

    RFC 5321 §4.2 knows ASCII there, RFC 6531 §3.5 UTF-8; servers also write Windows-1252.
    """
    text = decode_octets(octets, most_octets=MAX_WORDS).strip()
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text[:MAX_WORDS]


class _Line(NamedTuple):
    """reply: what it says if it stands alone."""

    code: bytes
    is_last: bool
    reply: Reply


class ReplyReader:
    """Octets in, whole replies out.  After a fault it takes nothing more."""

    __slots__ = ("_code", "_held", "_lines", "_octet_count", "fault")

    def __init__(self) -> None:
        self._held = b""  # of a line that is not complete
        self._code = b""
        self._lines: list[bytes] = []  # of a reply that is not complete
        self._octet_count = 0  # of these
        self.fault = ""

    @property
    def is_empty(self) -> bool:
        """Nothing of a reply was begun."""
        return not self._held and not self._lines

    def feed(self, octets: bytes) -> list[Reply]:
        """The replies that are complete now.  What follows nonsense is dropped; see `fault`."""
        replies: list[Reply] = []
        if self.fault:
            return replies
        if self._held:
            octets, self._held = self._held + octets, b""
        *lines, rest = octets.split(b"\n")
        for one in lines:
            line = _parse_line(one)
            if line is not None and line.is_last and not self._lines:
                replies.append(line.reply)
            elif not self._take(one, line, replies):
                return replies
        if rest:
            self._hold(rest)
        return replies

    def stop(self) -> None:
        """Nothing more is wanted."""
        self._fail(self.fault or "the conversation is over")

    def _take(self, octets: bytes, line: _Line | None, replies: list[Reply]) -> bool:
        """One of several, or one that cannot be."""
        if line is None:
            return self._fail(_fault_of(octets))
        if self._lines and line.code != self._code:
            return self._fail(f"two codes in one answer: {readable(self._code + b' ' + line.code)}")
        self._code = line.code
        self._lines += line.reply.lines
        self._octet_count += len(octets) + 1
        if line.is_last:
            replies.append(Reply(line.reply.code, tuple(self._lines)))
            self._lines, self._octet_count = [], 0
        return self._is_bounded()

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE_OCTETS:
            self._fail(_fault_of(rest))
        else:
            self._held = rest
            self._is_bounded()

    def _is_bounded(self) -> bool:
        if len(self._lines) > MAX_LINES:
            return self._fail(f"an answer of more than {MAX_LINES} lines")
        if self._octet_count + len(self._held) > MAX_REPLY_OCTETS:
            return self._fail(f"an answer of more than {MAX_REPLY_OCTETS} octets")
        return True

    def _fail(self, words: str) -> bool:
        self.fault = words
        self._held, self._lines = b"", []
        return False


@lru_cache(maxsize=256)
def _parse_line(octets: bytes) -> _Line | None:
    """octets: without LF.  None: it makes no sense, or is too long.

    A peer says the same few lines again and again.
    """
    found = _LINE.fullmatch(octets)
    if found is None or len(octets) >= MAX_LINE_OCTETS:
        return None
    code, mark, text = found.groups()
    return _Line(code, mark != b"-", Reply(int(code), ((text or b"").rstrip(b"\r"),)))


def _fault_of(octets: bytes) -> str:
    if len(octets) >= MAX_LINE_OCTETS:
        return f"a line of more than {MAX_LINE_OCTETS} octets in its answer"
    return f"an answer that makes no sense: {readable(octets)[:200]}"


def _without(line: bytes, enhanced: bytes) -> bytes:
    """Multi-line replies repeat the enhanced code (RFC 2034 §4); people need it once."""
    return line[len(enhanced) :].lstrip() if enhanced and line.startswith(enhanced) else line
