"""Children that a process forks and looks after: started, ended, due again, drained.

Used twice: the fork server forks the doors' parents, and each of these forks
its workers.  No thread, no loop and no database handle exists in either, so
forking is safe at any time.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from mailserver.supervisor.board import BoardSlot, Waits
from mailserver.supervisor.forking.backoff import Backoff
from mailserver.supervisor.forking.family import die_with_parent
from mailserver.supervisor.forking.vigil import LOOK_S, Vigil, VigilVerdict, read_condition
from mailserver.supervisor.wakeup import SignalPipe, wait_readable

_OURS = (signal.SIGTERM, signal.SIGCHLD)


@dataclass(slots=True)
class _Place:
    """Who fills it, or when it is filled again."""

    pid: int | None = None
    started_at_s: float = 0.0
    due_at_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    vigil: Vigil | None = None
    was_killed: bool = False  # by us, because it did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A child that ended; its place is filled again after `back_in_s`."""

    index: int
    pid: int
    status: int
    back_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A child that has not answered for so long.  is_replaced: it was killed."""

    index: int
    pid: int
    silent_s: float
    is_replaced: bool
    waits: Waits


class Children:
    """One child for each place."""

    def __init__(
        self,
        seats: Sequence[BoardSlot],
        become: Callable[[int], int],
        *,
        life_fd: int,
    ) -> None:
        """seats: one for each child, on the board.

        become: what the child of this place does, in the child; its answer is the exit status.
        life_fd: reads end-of-file when this process's own parent is gone.
        """
        self.must_end = False
        """SIGTERM came, or the parent is gone."""
        self._become = become
        self._parent_life_fd = life_fd
        self._signals = SignalPipe(_OURS)
        self._seats = seats
        self._looked_at_s = 0.0
        self._places = [_Place() for _ in seats]
        # Only this process holds the write end: its death is the children's end-of-file.
        self.life_read_fd, self._life_write_fd = os.pipe2(os.O_CLOEXEC)

    def fill(self) -> None:
        """Fork a child for each place that is due."""
        now_s = time.monotonic()
        for index, place in enumerate(self._places):
            if place.pid is None and place.due_at_s <= now_s:
                self._seats[index].begin(now_s=now_s)
                place.vigil, place.was_killed = Vigil(), False
                place.pid, place.started_at_s = self._fork(index), now_s
                self._seats[index].fill(place.pid)

    def wait(self, *other_fds: int) -> set[int]:
        """Until a child ended, we must, a place is due, it is time for a look, or one of these is
        readable: which are.
        """
        due = [place.due_at_s for place in self._places if place.pid is None]
        wait_s = max(0.0, min([*due, self._looked_at_s + LOOK_S]) - time.monotonic())
        readable = wait_readable([self._signals.fd, self._parent_life_fd, *other_fds], wait_s)
        self.must_end = self._parent_life_fd in readable or signal.SIGTERM in self._signals.take()
        return readable

    def bury(self) -> list[Death]:
        """Reap those that have ended."""
        now_s = time.monotonic()
        deaths = []
        for index, place in enumerate(self._places):
            if place.pid is None:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if not pid:
                continue
            wait_s = place.backoff.after_death(lived_s=now_s - place.started_at_s)
            place.pid, place.due_at_s = None, now_s + wait_s
            exit_code = os.waitstatus_to_exitcode(status)
            self._seats[index].bury(exit_code, was_replaced=place.was_killed)
            deaths.append(Death(index=index, pid=pid, status=exit_code, back_in_s=wait_s))
        return deaths

    def watch(self) -> list[Silence]:
        """Once a second: look whether they still answer, and kill who never will again.

        Told are those that are killed, and, each time its cause changes, whom we let be.
        """
        now_s = time.monotonic()
        if now_s - self._looked_at_s < LOOK_S:
            return []
        self._looked_at_s = now_s
        return [
            silence
            for index in range(len(self._places))
            if (silence := self._look(index, now_s)) is not None
        ]

    def _look(self, index: int, now_s: float) -> Silence | None:
        place, seat = self._places[index], self._seats[index]
        if place.pid is None or place.vigil is None or place.was_killed:
            return None
        pid = place.pid
        verdict, waits = place.vigil.look(
            seat.beat_at_s,
            now_s=now_s,
            condition=lambda: read_condition(pid),
            long_s=seat.long_s,
        )
        is_news = seat.wait_for(waits)
        place.was_killed = verdict is VigilVerdict.REPLACE
        if place.was_killed:
            os.kill(pid, signal.SIGKILL)
        elif not is_news or waits is Waits.NOTHING:
            return None
        return Silence(
            index=index,
            pid=pid,
            silent_s=place.vigil.silent_s,
            is_replaced=place.was_killed,
            waits=waits,
        )

    def waiting_s(self, index: int) -> float:
        """How long until this place is filled again; 0 where it is."""
        place = self._places[index]
        return 0.0 if place.pid is not None else max(0.0, place.due_at_s - time.monotonic())

    def drain(self, drain_s: float) -> list[int]:
        """SIGTERM to all, patience, then SIGKILL to those whose ids it returns."""
        alive = {place.pid for place in self._places if place.pid is not None}
        for pid in alive:
            os.kill(pid, signal.SIGTERM)
        deadline_s = time.monotonic() + drain_s
        while alive and (left_s := deadline_s - time.monotonic()) > 0:
            alive = {pid for pid in alive if not os.waitpid(pid, os.WNOHANG)[0]}
            if alive:
                wait_readable([self._signals.fd], left_s)
                self._signals.take()
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return sorted(alive)

    def _fork(self, index: int) -> int:
        sys.stdout.flush()
        mother = os.getpid()
        # Until the child has its own handlers, no signal may reach those of the mother.
        signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
        pid = os.fork()
        if pid == 0:
            self._live(index, mother)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
        return pid

    def _live(self, index: int, mother: int) -> NoReturn:
        """In the child: cut what belongs to the mother, do what the place is for, never return."""
        status = 1
        try:
            self._signals.close()
            for number in _OURS:
                signal.signal(number, signal.SIG_DFL)
            os.close(self._life_write_fd)
            os.close(self._parent_life_fd)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
            die_with_parent()
            if os.getppid() == mother:
                status = self._become(index)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
