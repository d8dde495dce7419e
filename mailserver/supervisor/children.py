"""The door parents as the supervisor sees them: started, ready, ended, due again.

waiting --start--> starting --"ready"--> ready
   ^                  |                    |
   +----- ended ------+------- ended ------+      (back-off, unless retired)
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field

from mailserver.supervisor.backoff import Backoff
from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.memory_file import write_memory_file
from mailserver.supervisor.orders import Orders
from mailserver.supervisor.plan import DoorPlan, Plan
from mailserver.supervisor.sockets import Sockets

PARENT_MODULE = "mailserver.supervisor.parent"
KILL_MARGIN_S = 2.0
"""A parent that drains kills its own workers; this much later it is killed itself."""


@dataclass(frozen=True, slots=True)
class Heritage:
    """What every parent of this supervisor gets."""

    sockets: Sockets
    life_read_fd: int
    auth_secret: bytes = field(repr=False)


class DoorChild:
    """One door of one generation of settings, and the process that runs it."""

    def __init__(self, door: DoorPlan, plan: Plan, heritage: Heritage) -> None:
        self.door = door
        self.is_ready = False
        self.due_at_s = 0.0
        self.status_fd: int | None = None
        self._plan = plan
        self._heritage = heritage
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0
        self._kill_at_s: float | None = None
        self._backoff = Backoff()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_retired(self) -> bool:
        return self._kill_at_s is not None

    def start(self) -> None:
        """Start the parent; `status_fd` becomes readable when it is ready or has ended."""
        status_read_fd, status_write_fd = os.pipe2(os.O_CLOEXEC)
        orders = Orders(
            door=self.door.name,
            module=self.door.module,
            settings=self._plan.settings,
            workers=[
                self._heritage.sockets.of_worker(self.door, worker)
                for worker in range(self.door.workers)
            ],
            life_fd=self._heritage.life_read_fd,
            status_fd=status_write_fd,
            auth_secret_hex=self._heritage.auth_secret.hex(),
            drain_s=self._plan.drain_s,
        )
        orders_fd = write_memory_file(orders.to_json())
        self._process = subprocess.Popen(
            python_command(PARENT_MODULE, self.door.name),
            stdin=orders_fd,
            pass_fds=orders.descriptors(),
            env=python_environment(),
        )
        os.close(orders_fd)
        os.close(status_write_fd)
        self.status_fd = status_read_fd
        self._started_at_s = time.monotonic()

    def read_status(self) -> None:
        """To be called when `status_fd` is readable."""
        if self.status_fd is not None:
            self.is_ready = self.is_ready or bool(os.read(self.status_fd, 64))
            self._close_status()

    def reap(self) -> int | None:
        """The exit status if the process has ended since the last call; sets when it is due."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        now_s = time.monotonic()
        self._process = None
        self.is_ready = False
        self._close_status()
        self.due_at_s = now_s + self._backoff.after_death(lived_s=now_s - self._started_at_s)
        return status

    def retire(self) -> None:
        """SIGTERM now, SIGKILL when the drain time is over; it is not started again."""
        self._signal(signal.SIGTERM)
        self._kill_at_s = time.monotonic() + self._plan.drain_s + KILL_MARGIN_S

    def kill(self) -> None:
        """SIGKILL, now; its workers see the end of their life pipe."""
        self._signal(signal.SIGKILL)
        self._kill_at_s = time.monotonic()

    def next_at_s(self) -> float | None:
        """When `tick` has something to do, on the monotonic clock; None: not by itself."""
        if self._process is None:
            return None if self.is_retired else self.due_at_s
        return self._kill_at_s

    def tick(self, now_s: float) -> None:
        """Start it if it is due; kill it if it has drained for too long."""
        if self._process is None:
            if not self.is_retired and self.due_at_s <= now_s:
                self.start()
        elif self._kill_at_s is not None and self._kill_at_s <= now_s:
            self._signal(signal.SIGKILL)
            self._kill_at_s = now_s + KILL_MARGIN_S

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _close_status(self) -> None:
        if self.status_fd is not None:
            os.close(self.status_fd)
            self.status_fd = None
