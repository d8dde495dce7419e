"""All sessions of one process: how many, who stands still, how it ends.

No timer per connection: a sweep every few seconds compares what each has done
(command lines read, octets still unsent) with the sweep before.  RFC 1939 §3: an
idle session is closed without a word and deletes nothing.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mailserver.auth.gate import Authenticator
from mailserver.store.commit import Submitter
from mailserver.telemetry.peers import PeerWatch
from pop3_store.desk import Desk
from pop3_store.notes import Notebook

SWEEP_S = 5.0
CLOSE_GRACE_S = 5.0
"""How long a peer may take to see that we closed, once it has all our octets."""
HANDSHAKE_S = 60.0


class Loop(Protocol):
    """What this door needs of the reactor."""

    def callFromThread(self, f: Callable[..., object], *args: object) -> object: ...

    def callLater(self, delay: float, f: Callable[..., object], *args: object) -> object: ...


@dataclass(slots=True)
class Mark:
    """What a connection had done when a sweep last saw a change."""

    progress: tuple[int, int, int]  # lines read, octets unsent, handshakes done
    at_s: float


class Guest(Protocol):
    """A connection as the lobby sees it."""

    mark: Mark | None
    is_closing: bool

    def progress(self) -> tuple[int, int, int]: ...

    @property
    def is_shaking_hands(self) -> bool: ...

    def drain(self) -> None: ...

    def abort(self, reason: str) -> None: ...


@dataclass(slots=True, kw_only=True)
class Lobby:
    desk: Desk
    gate: Authenticator
    committer: Submitter
    notebook: Notebook
    loop: Loop
    max_connections: int
    idle_timeout_s: float
    worker_name: str  # begins every session id
    guests: set[Guest] = field(default_factory=set)
    pending_removals: int = 0
    is_draining: bool = False
    peers: PeerWatch = field(default_factory=PeerWatch)
    _numbered: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.guests) >= self.max_connections

    @property
    def is_empty(self) -> bool:
        """Nothing is left to do; a peer that has not yet seen our close has its octets."""
        return not self.pending_removals and all(
            guest.is_closing and guest.progress()[1] == 0 for guest in self.guests
        )

    def next_session_id(self) -> str:
        self._numbered += 1
        return f"{self.worker_name}-{self._numbered}"

    def sweep(self, *, now_s: float) -> None:
        """Close what has made no progress.  `now_s`: any clock that never steps back."""
        for guest in tuple(self.guests):
            progress = guest.progress()
            mark = guest.mark
            if mark is None or mark.progress != progress:
                guest.mark = Mark(progress, now_s)
                continue
            stood_s = now_s - mark.at_s
            if guest.is_closing and progress[1] == 0 and stood_s >= CLOSE_GRACE_S:
                guest.abort("close not answered")
            elif guest.is_shaking_hands and stood_s >= HANDSHAKE_S:
                guest.abort("handshake not finished")
            elif stood_s >= self.idle_timeout_s:
                guest.abort("idle")

    def drain(self) -> None:
        """Let each session end at its next command border."""
        self.is_draining = True
        for guest in tuple(self.guests):
            guest.drain()
