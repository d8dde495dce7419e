"""A last word to a peer whose connection the loop has closed already.

When a handshake fails, asyncio's loops close the socket before the alert is
written.  Who begins a handshake keeps a second descriptor of the socket (dup(2));
through it the alert is sent, and it stays open for a moment: a socket that is
closed with unread octets is reset, and the peer would lose what we said.
No loop: whoever has one calls `sweep`.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Final

GRACE_S: Final = 2.0
MOST_AT_ONCE: Final = 64
_BYTES_RECEIVED: Final = 128  # offset of tcpi_bytes_received in struct tcp_info (linux/tcp.h)


def spare_socket(fd: int) -> socket.socket | None:
    """A second descriptor of the connection; None: none is left."""
    try:
        return socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None


def is_silent(sock: socket.socket) -> bool:
    """Has the peer of this connection sent nothing, or only its end?

    The kernel counts the end (FIN) as one octet.  Where it does not count at all: no.
    """
    with suppress(OSError, struct.error):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED + 8)
        (count,) = struct.unpack_from("=Q", info, _BYTES_RECEIVED)
        return int(count) <= 1
    return False


class LastWords:
    """Of one process."""

    def __init__(self) -> None:
        self._leaving: deque[tuple[float, socket.socket]] = deque()

    def say(self, sock: socket.socket, octets: bytes, *, now_s: float) -> None:
        """Send what the kernel takes at once, and end; the socket is ours from here on."""
        with suppress(OSError):
            sock.setblocking(False)
            sock.send(octets)
            sock.shutdown(socket.SHUT_WR)
        self._leaving.append((now_s + GRACE_S, sock))
        if len(self._leaving) > MOST_AT_ONCE:
            self._leaving.popleft()[1].close()

    def sweep(self, *, now_s: float) -> None:
        """Let go of those whose time is over."""
        while self._leaving and self._leaving[0][0] <= now_s:
            self._leaving.popleft()[1].close()

    def close(self) -> None:
        while self._leaving:
            self._leaving.popleft()[1].close()
