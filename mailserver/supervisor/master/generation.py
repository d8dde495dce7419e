"""One generation of settings as the supervisor sees it: started, ready, ended, due again.

waiting --start--> starting --"ready"--> ready
   ^                  |                    |
   +----- ended ------+------- ended ------+      (back-off, unless retired)
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

from mailserver.supervisor.board import Board, Slot, make_board_memory, slot_names
from mailserver.supervisor.forking.backoff import Backoff
from mailserver.supervisor.forking.vigil import StopWatch, read_condition
from mailserver.supervisor.master.fork_servers import (
    ForkServerProcess,
    WaitingForkServer,
    employ_fork_server,
    start_fork_server,
)
from mailserver.supervisor.master.keyring import Keyring
from mailserver.supervisor.master.sockets import Sockets
from mailserver.supervisor.orders import DoorOrders, Orders
from mailserver.supervisor.plan import ServicePlan

READY = "ready"
KILL_MARGIN_S = 2.0
"""The fork server kills what does not drain; this much later it is killed itself."""


@dataclass(frozen=True, slots=True)
class Heritage:
    """What every generation of this supervisor gets."""

    sockets: Sockets
    keyring: Keyring
    life_read_fd: int
    auth_secret: bytes = field(repr=False)


class Generation:
    """A plan, and the fork server that runs it."""

    def __init__(
        self, plan: ServicePlan, heritage: Heritage, waiting: WaitingForkServer | None = None
    ) -> None:
        self.plan = plan
        self.is_ready = False
        self.complaint = ""
        """The last door that ended before all were ready, in words; empty: none has."""
        self.due_at_s = 0.0
        self.status_fd: int | None = None
        self._heritage = heritage
        self._waiting = waiting
        self._process: ForkServerProcess | None = None
        self._started_at_s = 0.0
        self._kill_at_s: float | None = None
        self._backoff = Backoff()
        self._stop_watch = StopWatch()
        names = slot_names([(door.name, door.workers) for door in plan.doors])
        self._board_fd = make_board_memory(len(names))
        self._board = Board(self._board_fd, names)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_retired(self) -> bool:
        return self._kill_at_s is not None

    def slots(self) -> list[Slot]:
        """What the board says."""
        return self._board.slots(now_s=time.monotonic())

    def start(self) -> None:
        """Start the fork server; `status_fd` becomes readable when it has something to say."""
        status_read_fd, status_write_fd = os.pipe2(os.O_CLOEXEC)
        orders = self._orders(status_write_fd)
        if self._waiting is not None:
            self._process, self._waiting = employ_fork_server(self._waiting, orders), None
        else:
            self._process = start_fork_server(orders)
        os.close(status_write_fd)
        self.status_fd = status_read_fd
        self._started_at_s = time.monotonic()
        self._stop_watch = StopWatch()

    def _orders(self, status_fd: int) -> Orders:
        sockets, keyring = self._heritage.sockets, self._heritage.keyring
        # Whoever stays who started the service reads the files itself.
        hands_down = self.plan.user_id is not None
        return Orders(
            doors=[
                DoorOrders(
                    name=door.name,
                    module=door.module,
                    workers=[sockets.of_worker(door, worker) for worker in range(door.workers)],
                    keys=keyring.fds_of(door.keys) if hands_down else [],
                )
                for door in self.plan.doors
            ],
            common=list(self.plan.common),
            settings=self.plan.settings,
            life_fd=self._heritage.life_read_fd,
            status_fd=status_fd,
            board_fd=self._board_fd,
            auth_secret_hex=self._heritage.auth_secret.hex(),
            drain_s=self.plan.drain_s,
            user_id=self.plan.user_id,
            group_id=self.plan.group_id,
        )

    def read_status(self) -> None:
        """To be called when `status_fd` is readable."""
        if self.status_fd is None:
            return
        lines = os.read(self.status_fd, 4096).decode("ascii", "replace").split("\n")
        for line in filter(None, lines):
            if line == READY:
                self.is_ready = True
            else:
                self.complaint = line
        if self.is_ready or lines == [""]:
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
        self._kill_at_s = time.monotonic() + self.plan.drain_s + KILL_MARGIN_S
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, now, to the fork server and all that it forked."""
        self._kill_at_s = time.monotonic()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def look(self, now_s: float) -> bool:
        """True: the fork server was stopped for so long that it is killed; `reap` finds it.

        What it forked hears of its end, finishes what is under way and makes room for the next.
        """
        if self._process is None or self.is_retired:
            return False
        condition = read_condition(self._process.pid)
        if not self._stop_watch.is_to_be_replaced(condition, now_s=now_s):
            return False
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        return True

    def forget(self) -> None:
        """It has ended for good: its board is nobody's any more."""
        os.close(self._board_fd)

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
            self.kill()
            self._kill_at_s = now_s + KILL_MARGIN_S

    def _close_status(self) -> None:
        if self.status_fd is not None:
            os.close(self.status_fd)
            self.status_fd = None
