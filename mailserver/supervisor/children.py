"""Children that a process forks and looks after: started, ended, due again, drained.

Used twice: the hall process forks the doors' parents, and each of these forks
its workers.  No thread, no loop and no database handle exists in either, so
forking is safe at any time.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from mailserver.supervisor.backoff import Backoff
from mailserver.supervisor.family import die_with_parent
from mailserver.supervisor.wakeup import SignalPipe, wait_readable

_OURS = (signal.SIGTERM, signal.SIGCHLD)


@dataclass(slots=True)
class _Place:
    """Who fills it, or when it is filled again."""

    pid: int | None = None
    started_at_s: float = 0.0
    due_at_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A child that ended by itself; its place is filled again after `back_in_s`."""

    index: int
    pid: int
    status: int
    back_in_s: float


class Children:
    """One child for each place."""

    def __init__(self, count: int, become: Callable[[int], int], *, life_fd: int) -> None:
        """become: what the child of this place does, in the child; its answer is the exit status.

        life_fd: reads end-of-file when this process's own parent is gone.
        """
        self.must_end = False
        """SIGTERM came, or the parent is gone."""
        self._become = become
        self._parent_life_fd = life_fd
        self._signals = SignalPipe(_OURS)
        self._places = [_Place() for _ in range(count)]
        # Only this process holds the write end: its death is the children's end-of-file.
        self.life_read_fd, self._life_write_fd = os.pipe2(os.O_CLOEXEC)

    def fill(self) -> None:
        """Fork a child for each place that is due."""
        now_s = time.monotonic()
        for index, place in enumerate(self._places):
            if place.pid is None and place.due_at_s <= now_s:
                place.pid, place.started_at_s = self._fork(index), now_s

    def wait(self, *other_fds: int) -> set[int]:
        """Until a child ended, we must, a place is due, or one of these is readable: which are."""
        due = [place.due_at_s for place in self._places if place.pid is None]
        wait_s = max(0.0, min(due) - time.monotonic()) if due else None
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
            deaths.append(Death(index=index, pid=pid, status=exit_code, back_in_s=wait_s))
        return deaths

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
