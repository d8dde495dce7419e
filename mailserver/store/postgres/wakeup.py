"""Telling the agents of all processes that something may be due: NOTIFY, and a pipe for who waits.

Whoever asks for the descriptor starts a thread that listens and puts an octet
into a pipe of this process; loops watch it as they watch the embedded store's FIFO.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Final

import psycopg

from mailserver.store.ports.errors import StoreError
from mailserver.store.postgres.engine import PostgresEngine, connect

CHANNEL: Final = "wakeup"
LOOK_S: Final = 0.5
"""A listener that nobody wakes looks this often whether the store was closed."""


class Wakeup:
    """One for each process with the store; a connection and a thread from its first use on."""

    def __init__(self, conninfo: str, engine: PostgresEngine) -> None:
        self._conninfo = conninfo
        self._engine = engine
        self._pipe: tuple[int, int] | None = None
        self._listener: threading.Thread | None = None
        self._is_closed = threading.Event()

    def wake(self) -> None:
        """Never fails: the mail is there, and agents look by themselves too."""
        with suppress(StoreError):
            self._engine.read("SELECT pg_notify(?, '')", (CHANNEL,))

    def fd(self) -> int:
        """Non-blocking; readable when something may be due."""
        if self._pipe is None:
            self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            connection = connect(self._conninfo)
            connection.execute(f"LISTEN {CHANNEL}".encode())
            listen = threading.Thread(target=self._listen, args=(connection,), daemon=True)
            self._listener = listen
            listen.start()
        return self._pipe[0]

    def close(self) -> None:
        self._is_closed.set()
        if self._listener is not None:
            self._listener.join()
            self._listener = None
        if self._pipe is not None:
            for fd in self._pipe:
                os.close(fd)
            self._pipe = None

    def _listen(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        assert self._pipe is not None, "made before the thread"
        with connection, suppress(psycopg.Error):
            while not self._is_closed.is_set():
                for _ in connection.notifies(timeout=LOOK_S, stop_after=1):
                    with suppress(BlockingIOError):
                        os.write(self._pipe[1], b"\0")
