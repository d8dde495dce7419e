"""Where the octets of a message go while they arrive: memory first, then a file.

A body stays in memory up to the store's inline limit, and only while the
process has memory for it (`Memory`); beyond either it goes to the
store's spool, written by a small pool of threads.  `waiting_octets` is what
the disk has not taken yet: whoever reads the socket pauses while
`is_behind`, so a fast peer cannot fill the memory.

    IN MEMORY --add: too large, or no budget--> SPOOLING --finish--> committed
        |  finish: the body at once                |  discard: removed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from mailserver.store.ports.bodies import Bodies, Spool
from mailserver.values.message import Body, FiledBody, InlineBody

MAX_WAITING_OCTETS = 512 * 1024
"""Of one upload, not yet written: two reads of the socket's largest size."""
MAX_WAITING_TOTAL_OCTETS = 8 * 1024 * 1024
MAX_INLINE_TOTAL_OCTETS = 16 * 1024 * 1024

Finish = Callable[[Body | BaseException], None]


@dataclass(slots=True)
class Memory:
    """What all uploads of a process hold."""

    inline_octets: int = 0
    waiting_octets: int = 0


@dataclass(frozen=True, slots=True)
class Spooling:
    """What all uploads of a process share."""

    loop: asyncio.AbstractEventLoop
    bodies: Bodies
    pool: Executor
    inline_limit_octets: int
    memory: Memory


class Upload:
    """One message on its way.  Called on the loop's thread only."""

    __slots__ = ("_done", "_error", "_held", "_is_discarded", "_is_spooling", "_is_writing",
                 "_on_progress", "_shared", "_spool", "_taken", "waiting_octets")  # fmt: skip

    def __init__(self, shared: Spooling, *, on_progress: Callable[[], None]) -> None:
        """`on_progress` is called on the loop when the disk has taken something."""
        self._shared = shared
        self._on_progress = on_progress
        self._held: list[bytes] = []
        self._taken = 0  # octets counted in the process's inline memory
        self._spool: Spool | None = None
        self._is_spooling = False
        self._is_writing = False
        self._is_discarded = False
        self._error: BaseException | None = None
        self._done: Finish | None = None
        self.waiting_octets = 0

    @property
    def is_behind(self) -> bool:
        """The disk is slower than the peer: read no more for now."""
        if self.waiting_octets > MAX_WAITING_OCTETS:
            return True
        crowded = self._shared.memory.waiting_octets > MAX_WAITING_TOTAL_OCTETS
        return crowded and self.waiting_octets > 0

    def add(self, octets: bytes) -> None:
        """Keep the next octets, or hand them to the disk."""
        if self._error is not None:
            return
        self._held.append(octets)
        if self._is_spooling:
            self._wait_for_disk(len(octets))
            self._write_next()
            return
        memory = self._shared.memory
        self._taken += len(octets)
        memory.inline_octets += len(octets)
        if (
            self._taken > self._shared.inline_limit_octets
            or memory.inline_octets > MAX_INLINE_TOTAL_OCTETS
        ):
            self._turn_to_disk()

    def finish(self, done: Finish) -> None:
        """All octets are here: `done` gets the body, at once or when the file is on disk.

        An error of the disk is handed over in the body's place.
        """
        if self._error is not None:
            done(self._error)
            return
        if not self._is_spooling:
            done(InlineBody(b"".join(self._held)))
            return
        self._done = done
        self._write_next()

    def release(self) -> None:
        """The body is stored or refused: its memory is free."""
        self._shared.memory.inline_octets -= self._taken
        self._taken = 0
        self._held = []

    def discard(self) -> None:
        """Forget the message.  A file is removed by the pool, when it is not being written."""
        self._is_discarded = True
        self._shared.memory.waiting_octets -= self.waiting_octets
        self.waiting_octets = 0
        self.release()
        if not self._is_writing and self._spool is not None:
            self._shared.pool.submit(self._spool.discard)
            self._spool = None

    def _turn_to_disk(self) -> None:
        self._is_spooling = True
        self._shared.memory.inline_octets -= self._taken
        self._wait_for_disk(self._taken)
        self._taken = 0
        self._write_next()

    def _wait_for_disk(self, octets: int) -> None:
        self.waiting_octets += octets
        self._shared.memory.waiting_octets += octets

    def _write_next(self) -> None:
        if self._is_writing or self._is_discarded:
            return
        batch, self._held = self._held, []
        is_last = self._done is not None
        if not batch and not is_last:
            return
        self._is_writing = True
        self._shared.pool.submit(self._write, batch, is_last=is_last)

    def _write(self, batch: list[bytes], *, is_last: bool) -> None:
        """In the pool: never called twice at once for one upload."""
        body: FiledBody | None = None
        error: BaseException | None = None
        written = sum(map(len, batch))
        try:
            if self._spool is None:
                self._spool = self._shared.bodies.open_spool()
            for octets in batch:
                self._spool.write(octets)
            if is_last:
                body = self._spool.commit()
        except Exception as failure:  # noqa: BLE001 - handed to the loop, answered as ours there
            error = failure
        self._shared.loop.call_soon_threadsafe(self._written, written, body, error)

    def _written(self, written: int, body: FiledBody | None, error: BaseException | None) -> None:
        self._is_writing = False
        if self._is_discarded:
            self.discard()
            return
        self.waiting_octets -= written
        self._shared.memory.waiting_octets -= written
        self._error = error
        if error is not None and self._held:
            self._forget_held()
        done = self._done
        if done is not None and (body is not None or error is not None):
            self._done = None
            done(body if body is not None else _failure(error))
            return
        self._write_next()
        self._on_progress()

    def _forget_held(self) -> None:
        self._shared.memory.waiting_octets -= self.waiting_octets
        self.waiting_octets = 0
        self._held = []


def _failure(error: BaseException | None) -> BaseException:
    return error if error is not None else RuntimeError("the spool gave neither body nor error")
