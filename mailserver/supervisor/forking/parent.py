"""The parent of one door: imports it once, forks its workers, brings back those that die.

Forked by the fork server.  It drains on SIGTERM and when the fork server is
gone; what has not ended after the drain time is killed.
"""

from __future__ import annotations

import gc
import importlib
import os
import socket
import time
from collections.abc import Callable
from typing import Any, cast

from mailserver.keys.files import adopt
from mailserver.settings.model import Settings
from mailserver.supervisor.board import Board
from mailserver.supervisor.contract import Door, Listener, WorkerContext
from mailserver.supervisor.forking.children import Children, Silence
from mailserver.supervisor.forking.family import name_process, watch_life
from mailserver.supervisor.forking.porter import WORTH_IT_S, Porter
from mailserver.supervisor.orders import DoorOrders
from mailserver.telemetry.log import Log, configure, get_log
from mailserver.telemetry.unraised import log_unraised
from mailserver.values.secret import Secret


class DoorParent:
    """Forks, watches, drains."""

    def __init__(
        self,
        orders: DoorOrders,
        settings: Settings,
        *,
        auth_secret: Secret[bytes],
        drain_s: float,
        life_fd: int,
        board: Board,
    ) -> None:
        self._orders = orders
        self._settings = settings
        self._auth_secret = auth_secret
        self._drain_s = drain_s
        self._log = get_log("supervisor")
        self._seat = board.seat(f"{orders.name} parent")
        self._seats = [board.seat(f"{orders.name}.{index}") for index in range(len(orders.workers))]
        self._children = Children(self._seats, self._serve, life_fd=life_fd)
        self._porter: Porter | None = None
        self._made_listeners: list[tuple[Listener, ...]] = []
        self._door: Door
        self._prepared: Any

    def run(self, tell_ready: Callable[[], None]) -> int:
        """Until SIGTERM or the fork server's end; returns when every worker is gone.

        Exit status 0 after a drain, 1 when the door could not be prepared.
        """
        self._introduce("parent", process=f"{self._orders.name} parent")
        adopt(self._orders.keys)
        try:
            self._door = cast("Door", importlib.import_module(self._orders.module))
            self._prepared = self._door.prepare(self._settings)
        except Exception:  # noqa: BLE001 - the top of a process; the fork server tries again
            self._log.exception("door cannot be prepared", door=self._orders.name)
            return 1
        gc.collect()
        gc.freeze()
        words = getattr(self._door, "sorry", None)
        if words is not None:
            self._porter = Porter(lambda name: words(self._settings, name))
        self._children.fill()
        tell_ready()
        while not self._children.must_end:
            self._children.wait(*self._orphaned_fds())
            self._watch()
            self._bury()
            self._children.fill()
        for pid in self._children.drain(self._drain_s):
            self._log.warning("worker killed: it did not drain", pid=pid)
        return 0

    def _watch(self) -> None:
        now_s = time.monotonic()
        self._seat.beat(now_s=now_s)
        for silence in self._children.watch():
            tell_silence(self._log, silence, worker=silence.index)
        if self._porter is not None:
            self._porter.answer(self._orphaned_listeners(), now_s=now_s)

    def _orphaned_listeners(self) -> list[Listener]:
        """Of workers that will not come back at once."""
        waiting = [
            index
            for index in range(len(self._seats))
            if self._children.waiting_s(index) >= WORTH_IT_S
        ]
        if self._porter is None or not waiting:
            return []
        return [listener for index in waiting for listener in self._listeners()[index]]

    def _orphaned_fds(self) -> list[int]:
        return [listener.sock.fileno() for listener in self._orphaned_listeners()]

    def _listeners(self) -> list[tuple[Listener, ...]]:
        """Of each worker; made once."""
        if not self._made_listeners:
            self._made_listeners = [
                tuple(Listener(name=name, sock=_adopt(os.dup(fd))) for name, fd in worker)
                for worker in self._orders.workers
            ]
        return self._made_listeners

    def _bury(self) -> None:
        for death in self._children.bury():
            self._log.warning(
                "worker died",
                worker=death.index,
                pid=death.pid,
                status=death.status,
                back_in_s=death.back_in_s,
            )

    def _serve(self, index: int) -> int:
        self._introduce(str(index), process=self._orders.name, worker=index)
        watch_life(self._children.life_read_fd, drain_s=self._drain_s)
        log_unraised(self._log)
        try:
            self._door.serve(self._prepared, self._context(index))
        except Exception:  # noqa: BLE001 - the top of a process: said loudly, then replaced
            get_log("supervisor").exception("worker failed")
            return 1
        return 0

    def _introduce(self, what: str, **context: Any) -> None:
        """For ps and top, and in every line of the log."""
        name_process(f"{self._orders.name} {what}")
        settings = self._settings.log
        configure(level=settings.level, log_format=settings.format, **context)

    def _context(self, index: int) -> WorkerContext:
        for other, sockets in enumerate(self._orders.workers):
            for _, fd in sockets:
                if other != index:
                    os.close(fd)
        return WorkerContext(
            settings=self._settings,
            door=self._orders.name,
            index=index,
            listeners=tuple(
                Listener(name=name, sock=_adopt(fd)) for name, fd in self._orders.workers[index]
            ),
            life_fd=self._children.life_read_fd,
            auth_secret=self._auth_secret,
            seat=self._seats[index],
        )


def tell_silence(log: Log, silence: Silence, **who: Any) -> None:
    """In the log."""
    facts = {**who, "pid": silence.pid, "silent_s": round(silence.silent_s)}
    if silence.is_replaced:
        log.error("replaced: it did not answer", **facts)
    else:
        log.warning("does not answer", waits_for=silence.waits.name.lower(), **facts)


def _adopt(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock
