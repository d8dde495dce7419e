"""The supervisor's loop: start the service, bring it back, reload, stop.

It waits for signals and for a generation's first words, and decides.  At any
time there is the generation that serves and, during a reload, one that is
getting ready; generations that were replaced drain.  Every address keeps its
sockets from one generation to the next, so a reload refuses no connection.

    SIGTERM, SIGINT   drain, exit 0; a second one kills
    SIGHUP            reload; a bad file keeps the old settings, and says so
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mailserver.supervisor import first_signals
from mailserver.supervisor.forking.vigil import STOP_LOOK_S
from mailserver.supervisor.limits import raise_descriptor_limit
from mailserver.supervisor.master.events import Events
from mailserver.supervisor.master.fork_servers import WaitingForkServer
from mailserver.supervisor.master.generation import Generation, Heritage
from mailserver.supervisor.master.keyring import LOOK_S, Keyring
from mailserver.supervisor.master.notify import notify, watchdog_s
from mailserver.supervisor.master.reload import BadSettings, Reading
from mailserver.supervisor.master.sockets import PortInUse, Sockets, inherited_sockets
from mailserver.supervisor.master.window import Window
from mailserver.supervisor.plan import DoorPlan, ServicePlan
from mailserver.supervisor.wakeup import SignalPipe, wait_readable

AUTH_SECRET_OCTETS = 32
READY_WITHIN_S = 60.0
"""A new generation that is not ready by then is given up; the old one serves on."""
EXIT_PORT_IN_USE = 2


class Master:
    """One service: its sockets, its generations, its end."""

    def __init__(
        self, plan: ServicePlan, events: Events, waiting: WaitingForkServer | None = None
    ) -> None:
        self._events = events
        self._signals = SignalPipe([signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
        first_signals.take_over()
        life_read_fd, self._life_write_fd = os.pipe2(os.O_CLOEXEC)
        self._sockets = Sockets(inherited_sockets(os.environ, os.getpid()))
        self._keyring = Keyring()
        self._heritage = Heritage(
            self._sockets, self._keyring, life_read_fd, secrets.token_bytes(AUTH_SECRET_OCTETS)
        )
        self._serving = Generation(plan, self._heritage, waiting)
        self._coming: Generation | None = None
        self._leaving: list[Generation] = []
        self._coming_until_s = 0.0
        self._keys_looked_at_s = 0.0
        self._halls_looked_at_s = 0.0
        self._reading: Reading | None = None
        self._wants_reload = False
        self._is_ready = False
        self._started_at_s = time.monotonic()
        self._watchdog_s, self._watchdog_at_s = watchdog_s(os.environ), 0.0
        store = Path(str(plan.settings.get("store", {}).get("path", "")) or os.devnull)
        users = () if plan.user_id is None else (plan.user_id,)
        self._window = Window(store, users=users)
        self._is_stopping = False
        self._had_terminal = _has_terminal()

    def run(self) -> int:
        """Until SIGTERM.  Returns the exit status."""
        try:
            self._open(self._serving.plan.doors)
        except PortInUse as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_PORT_IN_USE
        raise_descriptor_limit()
        while not (self._is_stopping and not any(each.pid for each in self._generations())):
            self._tick()
            self._wait()
        self._events.info("stopped")
        return 0

    # --- the loop -----------------------------------------------------------

    def _tick(self) -> None:
        now_s = time.monotonic()
        for generation in self._generations():
            generation.tick(now_s)
        if self._is_stopping:
            return
        self._look_at_keys(now_s)
        self._look_at_halls(now_s)
        if self._watchdog_s is not None and now_s - self._watchdog_at_s >= self._watchdog_s:
            self._watchdog_at_s = now_s
            notify("WATCHDOG=1")
        if self._coming and now_s >= self._coming_until_s:
            self._give_up("not ready in time")
        if self._wants_reload and self._reading is None and not self._coming:
            self._wants_reload = False
            self._begin_reload()

    def _look_at_keys(self, now_s: float) -> None:
        """Of the doors that cannot read them: a renewed certificate is root's."""
        if self._serving.plan.user_id is None or now_s - self._keys_looked_at_s < LOOK_S:
            return
        self._keys_looked_at_s = now_s
        for path in self._keyring.refresh():
            self._events.info("key read again", file=path)

    def _look_at_halls(self, now_s: float) -> None:
        """Who is stopped can replace nobody who dies."""
        if now_s - self._halls_looked_at_s < STOP_LOOK_S:
            return
        self._halls_looked_at_s = now_s
        for generation in self._generations():
            if generation.look(now_s):
                self._events.error("fork server replaced: it was stopped", pid=generation.pid)

    def _wait(self) -> None:
        ready_fds = {g.status_fd: g for g in self._generations() if g.status_fd is not None}
        fds = [self._signals.fd, *self._window.fds, *ready_fds]
        for fd in wait_readable(fds, self._patience_s()):
            if fd in ready_fds:
                ready_fds[fd].read_status()
            elif fd in self._window.fds:
                self._window.answer(self._facts())
        self._heed(self._signals.take())
        self._reap()
        self._take_over()

    def _patience_s(self) -> float | None:
        """Seconds until something is due by itself; None: nothing is."""
        due = [at_s for g in self._generations() if (at_s := g.next_at_s()) is not None]
        if not self._is_stopping:
            due.append(self._halls_looked_at_s + STOP_LOOK_S)
        if self._coming:
            due.append(self._coming_until_s)
        if self._watchdog_s is not None:
            due.append(self._watchdog_at_s + self._watchdog_s)
        if self._serving.plan.user_id is not None:
            due.append(self._keys_looked_at_s + LOOK_S)
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
            for generation in self._generations():
                generation.kill()
            return
        self._is_stopping = True
        notify("STOPPING=1")
        self._events.info("stopping", drain_s=self._serving.plan.drain_s)
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        for generation in self._generations():
            generation.retire()

    def _reap(self) -> None:
        for generation in self._generations():
            status = generation.reap()
            if status is not None and not generation.is_retired:
                wait_s = round(generation.due_at_s - time.monotonic(), 3)
                self._events.warning("fork server died", status=status, back_in_s=wait_s)
                if generation is self._coming:
                    self._give_up(f"the fork server ended with status {status}")
        for generation in self._leaving:
            if generation.pid is None:
                generation.forget()
        self._leaving = [generation for generation in self._leaving if generation.pid is not None]
        if self._reading is not None and self._reading.has_ended():
            self._end_reading(self._reading)

    def _facts(self) -> dict[str, Any]:
        """For whoever looks through the window: `window.look`."""
        return {
            "pid": os.getpid(),
            "config_file": self._serving.plan.config_file,
            "lived_s": time.monotonic() - self._started_at_s,
            "is_ready": self._is_ready,
            "is_stopping": self._is_stopping,
            "listeners": self._sockets.addresses(),
            "processes": [asdict(slot) for slot in self._serving.slots()],
        }

    def _generations(self) -> list[Generation]:
        coming = [self._coming] if self._coming else []
        return [self._serving, *coming, *self._leaving]

    # --- ready ---------------------------------------------------------------

    def _take_over(self) -> None:
        """The first generation is ready, or the next one is and replaces it."""
        if self._is_stopping:
            return
        if not self._is_ready and self._serving.is_ready:
            self._is_ready = True
            self._say_ready("ready")
            if self._serving.plan.greeting:
                sys.stdout.write(self._serving.plan.greeting)
                sys.stdout.flush()
        if self._coming is None:
            return
        if self._coming.is_ready:
            self._serving.retire()
            self._leaving.append(self._serving)
            self._serving, self._coming = self._coming, None
            self._sockets.keep_only(self._serving.plan.doors)
            self._is_ready = True
            self._say_ready("reloaded")
        elif self._coming.complaint:
            self._give_up(self._coming.complaint)

    def _say_ready(self, event: str) -> None:
        self._events.info(
            event,
            doors={door.name: door.workers for door in self._serving.plan.doors},
            listeners=self._sockets.addresses(),
        )
        notify("READY=1")

    # --- reload ----------------------------------------------------------------

    def _begin_reload(self) -> None:
        if not self._serving.plan.config_file:
            self._events.warning("no reload: this service was not started from a file")
            return
        self._events.info("reloading", file=self._serving.plan.config_file)
        self._keys_looked_at_s = 0.0
        self._reading = Reading(self._serving.plan)

    def _end_reading(self, reading: Reading) -> None:
        self._reading = None
        try:
            plan = reading.finish()
            self._open(plan.doors)
        except (BadSettings, PortInUse) as error:
            self._events.error("settings not reloaded: the old ones stay", reason=str(error))
            return
        self._coming = Generation(plan, self._heritage)
        self._coming_until_s = time.monotonic() + READY_WITHIN_S

    def _give_up(self, reason: str) -> None:
        self._events.error("settings not reloaded: the old ones stay", reason=reason)
        if self._coming is not None:
            self._coming.retire()
            self._leaving.append(self._coming)
            self._coming = None
        self._sockets.keep_only(self._serving.plan.doors)

    def _open(self, doors: tuple[DoorPlan, ...]) -> None:
        self._sockets.open_for(doors, left_out=self._left_out)

    def _left_out(self, listener: str, address: str) -> None:
        self._events.warning("no IPv6 here: address left out", listener=listener, address=address)


def _has_terminal() -> bool:
    """Does this process have a controlling terminal?  ENXIO says no, also after a hang-up."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
