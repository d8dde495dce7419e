"""All sessions of one process: how many, who stands still, how it ends.

No timer per connection: a sweep every few seconds compares what each has done
(command lines read, octets still unsent) with the sweep before.  RFC 1939 §3: an
idle session is closed without a word and deletes nothing.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mailserver.auth.gate import Authenticator
from mailserver.peers.descriptors import Spares, descriptors_now
from mailserver.peers.liveness import Vitals, has_vanished
from mailserver.peers.seats import Refusal, Seat, SeatedConnection, Seats
from mailserver.settings.check.limits import connections_for
from mailserver.settings.model import ConnectionsSettings
from mailserver.store.commit import Submitter
from mailserver.telemetry.log import get_log
from mailserver.telemetry.peers import PeerWatch
from mailserver.tls.failures import FailedHandshakes
from mailserver.values.ids import MailboxId
from pop3_store.connection.notes import Notebook
from pop3_store.connection.waiting import TICK_S, Applicant, MaildropQueue
from pop3_store.session.server import Server
from pop3_store.session.texts import Say

SWEEP_S = 5.0
CLOSE_GRACE_S = 5.0
"""How long a peer may take to see that we closed, once it has all our octets."""
HANDSHAKE_S = 60.0
LOOK_AFTER_S = 2.0
"""Of standing still; then TCP is asked whether the peer lives."""


class Loop(Protocol):
    """What this door needs of the reactor."""

    def callFromThread(self, f: Callable[..., object], *args: object) -> object: ...

    def callLater(self, delay: float, f: Callable[..., object], *args: object) -> object: ...


@dataclass(slots=True)
class Mark:
    """What a connection had done when a sweep last saw a change."""

    progress: tuple[int, int, int]  # lines read, octets unsent, handshakes done
    at_s: float


class OpenConnection(Protocol):
    """A connection as `Connections` sees it."""

    mark: Mark | None
    is_closing: bool

    def progress(self) -> tuple[int, int, int]: ...

    @property
    def is_shaking_hands(self) -> bool: ...

    @property
    def maildrop_id(self) -> MailboxId | None: ...

    def is_suspect(self, *, after_s: float) -> bool: ...

    def vitals(self) -> Vitals | None: ...

    def drain(self) -> None: ...

    def give_up_handshake(self) -> None: ...

    def abort(self, reason: str) -> None: ...


class Seatable(SeatedConnection, Protocol):
    seat: Seat | None


@dataclass(slots=True, kw_only=True)
class Connections:
    server: Server
    gate: Authenticator
    committer: Submitter
    notebook: Notebook
    loop: Loop
    max_connections: int
    idle_timeout_s: float
    worker_name: str  # begins every session id
    open: set[OpenConnection] = field(default_factory=set)
    queue: MaildropQueue | None = None  # None: nobody waits for a maildrop
    bounds: ConnectionsSettings = field(default_factory=ConnectionsSettings)
    seats: Seats | None = None  # None: everybody has a place
    clock_s: Callable[[], float] = time.monotonic
    pending_removals: int = 0
    is_draining: bool = False
    peers: PeerWatch = field(default_factory=PeerWatch)
    handshakes: FailedHandshakes = field(default_factory=lambda: FailedHandshakes(get_log("pop3")))
    spares: Spares = field(default_factory=lambda: Spares(0))  # the worker keeps some
    refused_for_descriptors: int = 0
    _numbered: int = 0
    _is_ticking: bool = False

    @property
    def is_full(self) -> bool:
        return len(self.open) >= self.max_connections

    def look_at_descriptors(self) -> None:
        """Once a second."""
        was_short = self.spares.is_short
        if self.spares.look() and not was_short:
            self.server.log.warning(
                "descriptors ran out: connections are turned away with -ERR",
                allowed=descriptors_now(),
            )

    @property
    def is_empty(self) -> bool:
        """Nothing is left to do; a peer that has not yet seen our close has its octets."""
        return not self.pending_removals and all(
            connection.is_closing and connection.progress()[1] == 0 for connection in self.open
        )

    def next_session_id(self) -> str:
        self._numbered += 1
        return f"{self.worker_name}-{self._numbered}"

    def seat(self, connection: Seatable, *, door: str, peer: str) -> Say | None:
        """A place for who connects, which `leave` gives back; or why there is none."""
        if self.seats is None:
            return None
        seat = self.seats.admit(connection, listener=door, peer=peer, now_s=self.clock_s())
        if isinstance(seat, Seat):
            connection.seat = seat
            return None
        is_full = seat is Refusal.FULL
        is_capped = connections_for(descriptors_now()) < self.max_connections
        self.refused_for_descriptors += is_full and is_capped
        return Say.TOO_MANY_SESSIONS if is_full else Say.TOO_MANY_FROM_THERE

    def leave(self, seat: Seat | None) -> None:
        if self.seats is not None and seat is not None:
            self.seats.leave(seat)

    def sweep(self, *, now_s: float) -> None:
        """Close what has made no progress.  `now_s`: any clock that never steps back."""
        for connection in tuple(self.open):
            progress = connection.progress()
            mark = connection.mark
            if mark is None or mark.progress != progress:
                connection.mark = Mark(progress, now_s)
                continue
            stood_s = now_s - mark.at_s
            if stood_s >= LOOK_AFTER_S and self._has_vanished(connection):
                connection.abort("vanished")
                continue
            if connection.is_closing and progress[1] == 0 and stood_s >= CLOSE_GRACE_S:
                connection.abort("close not answered")
            elif connection.is_shaking_hands and stood_s >= HANDSHAKE_S:
                connection.give_up_handshake()
            elif stood_s >= self.idle_timeout_s:
                connection.abort("idle")

    def _has_vanished(self, connection: OpenConnection) -> bool:
        vitals = connection.vitals()
        return vitals is not None and has_vanished(vitals, self.bounds)

    # --- maildrops in use -----------------------------------------------------------

    def wait_for(self, applicant: Applicant, mailbox_id: MailboxId) -> None:
        """Until it is free, or the time is over."""
        if self.queue is None or self.is_draining:
            self.loop.callLater(0, applicant.conclude_waiting, None)
            return
        self.queue.enter(applicant, mailbox_id)
        if not self._is_ticking:
            self._is_ticking = True
            self.loop.callLater(TICK_S, self._tick)

    def forget_waiting(self, applicant: Applicant) -> None:
        if self.queue is not None and len(self.queue):
            self.queue.leave(applicant)

    def unlocked(self, mailbox_id: MailboxId) -> None:
        """A session of ours has let it go: who waits here is next, not within its turn."""
        if self.queue is not None and len(self.queue):
            self.loop.callLater(0, self.queue.serve, mailbox_id)

    def look_at_holders(self) -> None:
        """Who holds what is waited for, here or in another process, and has vanished?"""
        if self.queue is not None:
            self.queue.look(tuple(self.open))

    def _tick(self) -> None:
        assert self.queue is not None
        self.queue.tick()
        self._is_ticking = len(self.queue) > 0
        if self._is_ticking:
            self.loop.callLater(TICK_S, self._tick)

    def drain(self) -> None:
        """Let each session end at its next command border."""
        self.is_draining = True
        if self.queue is not None:
            self.queue.clear()
        for connection in tuple(self.open):
            connection.drain()
