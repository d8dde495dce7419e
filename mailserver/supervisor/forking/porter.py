"""Answers at the sockets of a worker that cannot be brought back at once.

A worker whose disk is read-only dies whenever it opens the store, and the connections to its
sockets would wait in the kernel without a word.  While it waits for its next start its parent says
what the door would say ("try again later") and closes.  Where TLS comes first, an alert
(`mailserver.tls.failures.ALERT`) is the only word that can be said before a handshake.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from mailserver.supervisor.contract import Listener
from mailserver.tls.parting import LastWords

WORTH_IT_S: Final = 1.0
"""A shorter wait: the queue of the socket is kept for the successor."""
MOST_AT_ONCE: Final = 64

Words = Callable[[str], bytes]
"""What to say at a listener of this name."""


class Porter:
    """Of one door."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._last_words = LastWords()

    def answer(self, listeners: list[Listener], *, now_s: float) -> None:
        """Everybody who waits there now, up to MOST_AT_ONCE."""
        self._last_words.sweep(now_s=now_s)
        for listener in listeners:
            with suppress(OSError):  # nobody waits, or no descriptor is left
                for _ in range(MOST_AT_ONCE):
                    visitor, _peer = listener.sock.accept()
                    self._turn_away(visitor, listener.name, now_s)

    def _turn_away(self, visitor: socket.socket, listener: str, now_s: float) -> None:
        self._last_words.say(visitor, self._words(listener), now_s=now_s)
