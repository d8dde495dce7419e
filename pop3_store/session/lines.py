"""Octets in and out: command lines, kept until whole and bounded; and what waits to be sent."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE_OCTETS = 255  # RFC 2449 §4, the CRLF included
MAX_PASSWORD_LINE_OCTETS = 1024  # for pass phrases; our own limit


class Lines:
    """What was received and not yet used.

    count: complete lines read: an idle timer watches it.
    is_overlong: a line has no end within the bound; the rest of it is thrown away as it comes.
    """

    __slots__ = ("_at", "_octets", "count", "is_overlong")

    def __init__(self) -> None:
        self.count = 0
        self.is_overlong = False
        self._octets = b""
        self._at = 0  # where the unread part begins

    def __len__(self) -> int:
        """Octets that wait."""
        return len(self._octets) - self._at

    def receive(self, octets: bytes) -> None:
        self._octets = self._octets[self._at :] + octets if len(self) else octets
        self._at = 0

    def first(self) -> bytes:
        """The first octet that waits; empty: none does."""
        return self._octets[self._at : self._at + 1]

    def next(self) -> bytes | None:
        """The next line without its LF; None: there is no whole line yet."""
        end = self._octets.find(b"\n", self._at)
        if end < 0:
            return None
        line = self._octets[self._at : end]
        self._at = end + 1
        self.count += 1
        return line

    def skip(self) -> None:
        """The line that has begun is too long: nothing of it is kept."""
        self.is_overlong = True
        self.forget()

    def forget(self) -> None:
        self._octets = b""
        self._at = 0


class Output:
    """What was said and not yet handed to the shell; and what follows it, piece by piece."""

    __slots__ = ("_pieces", "octets", "stream")

    def __init__(self) -> None:
        self.octets = 0
        self.stream: Iterator[bytes] | None = None
        self._pieces: list[bytes] = []

    def send(self, octets: bytes) -> None:
        self._pieces.append(octets)
        self.octets += len(octets)

    def take(self) -> bytes:
        """All of it, once."""
        octets = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.octets = 0
        return octets

    def mark(self) -> tuple[int, int]:
        return len(self._pieces), self.octets

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget a reply that was begun since."""
        count, self.octets = mark
        del self._pieces[count:]

    def pull(self) -> None:
        """The stream's next piece."""
        assert self.stream is not None
        piece = next(self.stream, None)
        if piece is None:
            self.stream = None
        elif piece:
            self.send(piece)

    def end_stream(self) -> None:
        """A generator's `finally` closes its file."""
        stream, self.stream = self.stream, None
        close = getattr(stream, "close", None)
        if close is not None:
            close()
