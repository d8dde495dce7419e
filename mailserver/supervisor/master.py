"""The supervisor's loop: start the doors, bring them back, reload, stop.

It waits for signals and for its children's first words, and decides.  At any
time there is the generation that serves and, during a reload, one that is
getting ready; generations that were replaced drain.  Every address keeps its
sockets from one generation to the next, so a reload refuses no connection.

    SIGTERM, SIGINT   drain, exit 0; a second one kills
    SIGHUP            reload; a bad file keeps the old settings, and says so
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Iterator

from mailserver.supervisor.children import DoorChild, Heritage
from mailserver.supervisor.events import Events
from mailserver.supervisor.notify import notify
from mailserver.supervisor.plan import DoorPlan, Plan
from mailserver.supervisor.reload import BadSettings, Reading
from mailserver.supervisor.sockets import PortInUse, Sockets, inherited_sockets
from mailserver.supervisor.wakeup import SignalPipe, wait_readable

AUTH_SECRET_OCTETS = 32
MOST_DESCRIPTORS = 1_048_576
READY_WITHIN_S = 60.0
"""A new generation that is not ready by then is given up; the old one serves on."""
EXIT_PORT_IN_USE = 2


class Master:
    """One service: its sockets, its generations, its end."""

    def __init__(self, plan: Plan, events: Events) -> None:
        self._plan = plan
        self._events = events
        self._signals = SignalPipe([signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
        life_read_fd, self._life_write_fd = os.pipe2(os.O_CLOEXEC)
        self._sockets = Sockets(inherited_sockets(os.environ, os.getpid()))
        self._heritage = Heritage(
            self._sockets, life_read_fd, secrets.token_bytes(AUTH_SECRET_OCTETS)
        )
        self._serving: list[DoorChild] = []
        self._coming: list[DoorChild] = []
        self._leaving: list[DoorChild] = []
        self._coming_plan = plan
        self._coming_until_s = 0.0
        self._reading: Reading | None = None
        self._wants_reload = False
        self._is_ready = False
        self._is_stopping = False
        self._had_terminal = _has_terminal()

    def run(self) -> int:
        """Until SIGTERM.  Returns the exit status."""
        try:
            self._open(self._plan.doors)
        except PortInUse as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_PORT_IN_USE
        raise_descriptor_limit()
        self._serving = [self._child(door, self._plan) for door in self._plan.doors]
        while not (self._is_stopping and not any(child.pid for child in self._children())):
            self._tick()
            self._wait()
        self._events.info("stopped")
        return 0

    # --- the loop -----------------------------------------------------------

    def _tick(self) -> None:
        now_s = time.monotonic()
        for child in self._children():
            child.tick(now_s)
        if self._is_stopping:
            return
        if self._coming and now_s >= self._coming_until_s:
            self._give_up("not ready in time")
        if self._wants_reload and self._reading is None and not self._coming:
            self._wants_reload = False
            self._begin_reload()

    def _wait(self) -> None:
        ready_fds = {c.status_fd: c for c in self._children() if c.status_fd is not None}
        fds = [self._signals.fd, *ready_fds]
        for fd in wait_readable(fds, self._patience_s()):
            if fd in ready_fds:
                ready_fds[fd].read_status()
        self._heed(self._signals.take())
        self._reap()
        self._take_over()

    def _patience_s(self) -> float | None:
        """Seconds until something is due by itself; None: nothing is."""
        due = [at_s for c in self._children() if (at_s := c.next_at_s()) is not None]
        if self._coming:
            due.append(self._coming_until_s)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _heed(self, signals: set[int]) -> None:
        if signal.SIGHUP in signals and self._had_terminal and not _has_terminal():
            signals.add(signal.SIGTERM)  # the terminal was closed: nobody asked for a reload
        if signals & {signal.SIGTERM, signal.SIGINT}:
            self._stop()
        elif signal.SIGHUP in signals and not self._is_stopping:
            self._wants_reload = True

    def _stop(self) -> None:
        if self._is_stopping:
            for child in self._children():
                child.kill()
            return
        self._is_stopping = True
        notify("STOPPING=1")
        self._events.info("stopping", drain_s=self._plan.drain_s)
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        for child in self._children():
            child.retire()

    def _reap(self) -> None:
        for child in self._children():
            status = child.reap()
            if status is not None and not child.is_retired:
                wait_s = round(child.due_at_s - time.monotonic(), 3)
                self._events.warning(
                    "door died", door=child.door.name, status=status, back_in_s=wait_s
                )
                if child in self._coming:
                    self._give_up(f"{child.door.name} ended with status {status}")
        self._leaving = [child for child in self._leaving if child.pid is not None]
        if self._reading is not None and self._reading.has_ended():
            self._end_reading(self._reading)

    def _children(self) -> Iterator[DoorChild]:
        yield from [*self._serving, *self._coming, *self._leaving]

    # --- ready ---------------------------------------------------------------

    def _take_over(self) -> None:
        """The first generation is ready, or the next one is and replaces it."""
        if self._is_stopping:
            return
        if not self._is_ready and all(child.is_ready for child in self._serving):
            self._is_ready = True
            self._say_ready("ready")
            if self._plan.greeting:
                sys.stdout.write(self._plan.greeting)
                sys.stdout.flush()
        if self._coming and all(child.is_ready for child in self._coming):
            for child in self._serving:
                child.retire()
            self._leaving += self._serving
            self._serving, self._coming = self._coming, []
            self._plan = self._coming_plan
            self._sockets.keep_only(self._plan.doors)
            self._is_ready = True
            self._say_ready("reloaded")

    def _say_ready(self, event: str) -> None:
        self._events.info(
            event,
            doors={door.name: door.workers for door in self._plan.doors},
            listeners=self._sockets.addresses(),
        )
        notify("READY=1")

    # --- reload ----------------------------------------------------------------

    def _begin_reload(self) -> None:
        if not self._plan.config_file:
            self._events.warning("no reload: this service was not started from a file")
            return
        self._events.info("reloading", file=self._plan.config_file)
        self._reading = Reading(self._plan)

    def _end_reading(self, reading: Reading) -> None:
        self._reading = None
        try:
            plan = reading.finish()
            self._open(plan.doors)
        except (BadSettings, PortInUse) as error:
            self._events.error("settings not reloaded: the old ones stay", reason=str(error))
            return
        self._coming_plan = plan
        self._coming = [self._child(door, plan) for door in plan.doors]
        self._coming_until_s = time.monotonic() + READY_WITHIN_S

    def _give_up(self, reason: str) -> None:
        self._events.error("settings not reloaded: the old ones stay", reason=reason)
        for child in self._coming:
            child.retire()
        self._leaving += self._coming
        self._coming = []
        self._sockets.keep_only(self._plan.doors)

    def _open(self, doors: tuple[DoorPlan, ...]) -> None:
        self._sockets.open_for(doors, left_out=self._left_out)

    def _left_out(self, listener: str, address: str) -> None:
        self._events.warning("no IPv6 here: address left out", listener=listener, address=address)

    def _child(self, door: DoorPlan, plan: Plan) -> DoorChild:
        return DoorChild(door, plan, self._heritage)


def raise_descriptor_limit() -> None:
    """As many open files as we are allowed: one is needed for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _has_terminal() -> bool:
    """Does this process have a controlling terminal?  ENXIO says no, also after a hang-up."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
