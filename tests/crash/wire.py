"""A blocking connection that counts octets, and the two dialogues over it.

The offset of a reply in the server's stream tells a tracer of the server which
of its writes carried that reply.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self

TIMEOUT_S = 15.0
CHUNK = 65_536


class Hung(Exception):
    """The peer closed, reset or fell silent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its text without the last CRLF, and where it began in the stream."""

    text: bytes
    offset: int

    @property
    def code(self) -> int:
        """Of an SMTP reply."""
        return int(self.text[:3])

    @property
    def is_ok(self) -> bool:
        """Of a POP3 reply."""
        return self.text.startswith(b"+OK")


class Wire:
    def __init__(self, port: int, *, receive_buffer_octets: int | None = None) -> None:
        """
        Raises:
            Hung: nobody listens there.
        """
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.settimeout(TIMEOUT_S)
        if receive_buffer_octets is not None:
            size = receive_buffer_octets
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        try:
            self._sock.connect(("127.0.0.1", port))
        except OSError as error:
            self._sock.close()
            raise Hung(str(error)) from error
        self.connection = f"{port}-{self._sock.getsockname()[1]}"
        self._held = b""
        self._offset = 0  # in the server's stream, of the first octet held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def send(self, octets: bytes) -> None:
        try:
            self._sock.sendall(octets)
        except OSError as error:
            raise Hung(str(error)) from error

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with the mark."""
        start = 0
        while (at := self._held.find(mark, start)) < 0:
            start = max(0, len(self._held) - len(mark))
            self._held += self._receive()
        end = at + len(mark)
        taken, self._held = self._held[:end], self._held[end:]
        self._offset += end
        return taken

    def smtp_reply(self) -> Reply:
        offset = self._offset
        while True:
            line = self.read_until(b"\r\n")
            if line[3:4] != b"-":
                return Reply(line[:-2], offset)

    def pop3_reply(self) -> Reply:
        offset = self._offset
        return Reply(self.read_until(b"\r\n")[:-2], offset)

    def pop3_lines(self) -> bytes:
        """The octets after a multi-line `+OK`, still dot-stuffed, without the final dot."""
        if self._peek(3) == b".\r\n":
            self.read_until(b".\r\n")
            return b""
        return self.read_until(b"\r\n.\r\n")[:-3]

    def ask(self, command: bytes) -> Reply:
        """One POP3 command and the first line of its answer."""
        self.send(command + b"\r\n")
        return self.pop3_reply()

    def say(self, command: bytes) -> Reply:
        """One SMTP command and its reply."""
        self.send(command + b"\r\n")
        return self.smtp_reply()

    def _peek(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += self._receive()
        return self._held[:count]

    def _receive(self) -> bytes:
        try:
            octets = self._sock.recv(CHUNK)
        except OSError as error:
            raise Hung(str(error)) from error
        if not octets:
            raise Hung("closed")
        return octets
