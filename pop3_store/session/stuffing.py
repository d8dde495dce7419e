"""A message on its way out: dot-stuffed (`mailserver.values.dots`), or cut for TOP, chunk by chunk.

A `Topper` remembers what stood at the end of the last chunk, so a chunk may end anywhere, also
inside a CRLF.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailserver.store.ports.bodies import body_chunks
from mailserver.store.ports.mail import StoredMessage
from mailserver.values.dots import FINAL_DOT, Stuffer

CHUNK_OCTETS = 256 * 1024
_BLANK_LINE = b"\r\n\r\n"


class Topper:
    """Lets the header block, its blank line and the first `line_count` lines pass.

    RFC 1939 §7 (TOP).  When the body has fewer lines, all of it passes.
    """

    __slots__ = ("_in_header", "_lines_left", "_tail", "is_done")

    def __init__(self, line_count: int) -> None:
        self._in_header = True
        self._lines_left = line_count
        self._tail = b"\r\n"  # up to three octets; a message may begin with its blank line
        self.is_done = False

    def feed(self, chunk: bytes) -> bytes:
        """What of `chunk` belongs to the reply; empty once `is_done`."""
        if self.is_done:
            return b""
        start = 0
        if self._in_header:
            start = self._header_end(chunk)
            if self._in_header:
                return chunk
        return chunk[: self._body_end(chunk, start)]

    def _header_end(self, chunk: bytes) -> int:
        window = self._tail + chunk
        found = window.find(_BLANK_LINE)
        if found < 0:
            self._tail = window[-3:]
            return len(chunk)
        self._in_header = False
        return found + len(_BLANK_LINE) - len(self._tail)

    def _body_end(self, chunk: bytes, start: int) -> int:
        line_count = chunk.count(b"\n", start)
        if line_count < self._lines_left:
            self._lines_left -= line_count
            return len(chunk)
        self.is_done = True
        end = start
        for _ in range(self._lines_left):
            end = chunk.index(b"\n", end) + 1
        return end


def read_chunks(message: StoredMessage) -> Iterator[bytes]:
    """The message as it is: the lead, then the body in pieces of `CHUNK_OCTETS`.

    Raises:
        BodyLost, BodyUnreadable: in the middle; the store has noted it.
    """
    if message.octets is not None:
        yield message.lead + message.octets
        return
    yield message.lead
    yield from body_chunks(message, CHUNK_OCTETS)


def whole_lines(message: StoredMessage) -> Iterator[bytes]:
    """The message stuffed and terminated, as RETR sends it after its first line.

    A message without a final CRLF gets one, which its size does not count.
    Closes the message, however it ends.
    """
    try:
        chunks: Iterable[bytes] = read_chunks(message)
        yield from chunks if message.dotted_line_count == 0 else map(Stuffer().feed, chunks)
        yield _ending(message)
    finally:
        message.close()


def top_lines(message: StoredMessage, line_count: int) -> Iterator[bytes]:
    """The header block, the blank line and `line_count` lines, stuffed and terminated."""
    topper, stuffer = Topper(line_count), Stuffer()
    try:
        for chunk in read_chunks(message):
            yield stuffer.feed(topper.feed(chunk))
            if topper.is_done:
                yield FINAL_DOT
                return
        yield _ending(message)
    finally:
        message.close()


def small_reply(message: StoredMessage) -> bytes | None:
    """All that `whole_lines` would send, at once; None for a body in a file.

    Closes the message when it returns octets.
    """
    octets = message.octets
    if octets is None:
        return None
    if message.dotted_line_count:
        octets = Stuffer().feed(octets)
    message.close()
    return message.lead + octets + _ending(message)


def _ending(message: StoredMessage) -> bytes:
    # The lead ends with CRLF, so an empty body needs none.
    complete = message.ends_with_crlf or message.body_octets == 0
    return FINAL_DOT if complete else b"\r\n" + FINAL_DOT
