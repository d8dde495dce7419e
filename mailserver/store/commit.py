"""The group commit: one writer thread per process, one fsync for all that waits.

    door's loop  --submit-->  inbox  --(its turn)-->  one transaction
         ^                                                  |
         +------------- deliver(one list per batch) --------+

No wait is added: the thread takes the store's turn first and then everything
that came in meanwhile, up to a bound that keeps the turn short.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Protocol

from mailserver.store.ports.errors import StoreBroken, StoreFull
from mailserver.store.ports.lists import AddCopies, BeginPost, HoldPost
from mailserver.store.ports.queue import HopNote, Lease, ReportMade, Settlement
from mailserver.store.ports.writes import Failed, Outcome, Removal, Write, Writes
from mailserver.telemetry.hush import Hush
from mailserver.telemetry.log import get_log
from mailserver.values.message import Acceptance, InlineBody

Done = Callable[[Outcome], None]
Settled = list[tuple[Done, Outcome]]

BATCH_ROWS = 1_000
"""Copies and removals that one batch takes, so that no turn lasts over some 20 ms."""
BATCH_OCTETS = 4 * 1024 * 1024
"""Octets of small bodies that one batch takes, for the same reason."""


Hop = Callable[[Callable[[Settled], None], Settled], object]
"""A loop's way in from other threads, as asyncio's `call_soon_threadsafe`."""


def deliver_by(hop: Hop) -> Callable[[Settled], None]:
    """For a `Committer`: one hop for the whole batch."""

    def deliver(batch: Settled) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended; the peers are gone
            hop(_call_all, batch)

    return deliver


def _call_all(batch: Settled) -> None:
    for done, outcome in batch:
        done(outcome)


class Submitter(Protocol):
    """What a door's sessions need of the committer."""

    def submit(self, write: Write, done: Done) -> None:
        """See `Committer.submit`."""
        ...


class Committer:
    """Call `start` after the fork.  `submit` may be called from any thread."""

    def __init__(
        self,
        writes: Writes,
        *,
        deliver: Callable[[Settled], None],
        on_broken: Callable[[], None],
    ) -> None:
        """
        deliver: gets one list per batch, in the writer's thread; it hops to the
            door's loop once and there calls each `done(outcome)`.
        on_broken: called in the writer's thread, after `deliver` of the
            failures, when the disk has failed: the process should answer and exit.
        """
        self._writes = writes
        self._deliver = deliver
        self._on_broken = on_broken
        self._inbox: SimpleQueue[tuple[Write, Done] | None] = SimpleQueue()
        self._taken: deque[tuple[Write, Done]] = deque()
        self._is_stopping = False
        self._hush = Hush(most_of_one=1)
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._log = get_log("store")

    def start(self) -> None:
        self._thread.start()

    def submit(self, write: Write, done: Done) -> None:
        """Hand over one write; its outcome is final and comes once, through `deliver`."""
        self._inbox.put((write, done))

    def stop(self) -> None:
        """Commit what waits, then end the thread."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping:
            first = self._inbox.get()
            if first is None:
                return
            self._taken.append(first)
            self._commit_taken()

    def _commit_taken(self) -> None:
        """Commit what was taken and what comes in until our turn begins."""
        try:
            outcomes = self._writes.apply_waiting(self._take)
        except Exception as error:  # noqa: BLE001 - the top of the thread
            # Not one write's fault: the turn itself or the disk failed.
            self._log.error("commit failed", exc_info=error)
            self._settle([Failed(error)] * len(self._taken))
            self._on_broken()
            return
        self._settle(outcomes)
        if any(isinstance(o, Failed) and isinstance(o.error, StoreBroken) for o in outcomes):
            self._on_broken()

    def _take(self) -> Sequence[Write]:
        rows = sum(_row_count(write) for write, _ in self._taken)
        octets = sum(_inline_octets(write) for write, _ in self._taken)
        while rows < BATCH_ROWS and octets < BATCH_OCTETS and not self._inbox.empty():
            waiting = self._inbox.get()
            if waiting is None:
                self._is_stopping = True
                break
            self._taken.append(waiting)
            rows += _row_count(waiting[0])
            octets += _inline_octets(waiting[0])
        return [write for write, _ in self._taken]

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        settled = [(done, o) for (_, done), o in zip(self._taken, outcomes, strict=True)]
        self._taken.clear()
        for _, outcome in settled:
            if isinstance(outcome, Failed):
                self._tell(outcome.error)
        self._deliver(settled)

    def _tell(self, error: BaseException) -> None:
        """A full disk fails every write: it is said now and then, and nothing is a surprise."""
        if not isinstance(error, StoreFull):
            self._log.error("write failed", exc_info=error)
            return
        kept_back = self._hush.ask("full", now_s=time.monotonic())
        if kept_back is not None:
            self._log.warning("no room on the disk: writes fail", error=str(error), also=kept_back)


def _row_count(write: Write) -> int:
    match write:
        case Removal():
            return len(write.uids)
        case Acceptance():
            return len(write.copies)
        case Lease():
            return write.limit
        case Settlement():
            return write.copy_count
        case ReportMade():
            return len(write.cleared)
        case AddCopies():
            return len(write.copies)
        case BeginPost() | HoldPost() | HopNote():
            return 1


def _inline_octets(write: Write) -> int:
    acceptance = write.acceptance if isinstance(write, ReportMade | BeginPost) else write
    if not isinstance(acceptance, Acceptance) or not isinstance(acceptance.body, InlineBody):
        return 0
    return len(acceptance.body.octets)
