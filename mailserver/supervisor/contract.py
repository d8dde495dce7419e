"""What the supervisor gives a door's worker, and what a door offers it.

A door is a module with `prepare` and `serve`.  The door's parent process calls
`prepare` once: imports, certificates, nothing that forks badly (no loop, no
thread, no database).  Then it forks, and each worker calls `serve`, which runs
until SIGTERM or until `life_fd` reads end-of-file (the supervisor is gone).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from mailserver.settings.model import Settings
from mailserver.supervisor.board import BoardSlot
from mailserver.supervisor.plan import DRAIN_S
from mailserver.values.secret import Secret

__all__ = ["DRAIN_S", "Door", "Listener", "WorkerContext"]
# DRAIN_S: after SIGTERM a worker finishes what it is receiving, for at most this long.


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One bound, listening, non-blocking socket of this worker (SO_REUSEPORT).

    name: mx, submission, submissions, pop3, pop3s, legacy-submissions, legacy-pop3s.
    """

    name: str
    sock: socket.socket


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    settings: Settings
    door: str
    index: int
    listeners: tuple[Listener, ...]
    life_fd: int
    auth_secret: Secret[bytes]  # keys the cache of successful log-ins; 32 octets
    seat: BoardSlot | None = None  # on the supervisor's board; None: without a supervisor

    def beat(self) -> None:
        """To be called once a second, by the loop that serves; see `vigil`."""
        if self.seat is not None:
            self.seat.beat(now_s=time.monotonic())

    @contextmanager
    def long_statement(self, seconds: float) -> Iterator[None]:
        """One statement that nothing can interrupt, and how long it may take on a slow disk."""
        if self.seat is not None:
            self.seat.be_long(seconds)
        try:
            yield
        finally:
            self.beat()
            if self.seat is not None:
                self.seat.be_long(0.0)

    def tell(self, report: dict[str, float]) -> None:
        """What the worker counts, where no disk is needed to read it."""
        if self.seat is not None:
            self.seat.tell(report, now_s=time.monotonic())


class Door(Protocol):
    """Also, if it likes, `sorry(settings, listener) -> bytes`: the words when no worker serves."""

    def prepare(self, settings: Settings) -> Any: ...

    def serve(self, prepared: Any, context: WorkerContext) -> None: ...
