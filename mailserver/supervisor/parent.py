"""The parent of one door: imports it once, forks its workers, brings back those that die.

Started fresh by the supervisor, with its orders on standard input.  States of
the process: preparing, running, draining.  It drains on SIGTERM and when the
supervisor is gone; what has not ended after the drain time is killed.  No thread, no
loop and no database handle exists here, so forking is safe at any time.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from mailserver.settings.model import Settings
from mailserver.supervisor.backoff import Backoff
from mailserver.supervisor.contract import Door, Listener, WorkerContext
from mailserver.supervisor.family import die_with_parent, is_orphaned, watch_life
from mailserver.supervisor.memory_file import read_memory_file
from mailserver.supervisor.orders import Orders, orders_from_json
from mailserver.supervisor.wakeup import SignalPipe, wait_readable
from mailserver.telemetry.log import configure, get_log
from mailserver.values.secret import Secret

READY = b"ready\n"


@dataclass(slots=True)
class _Worker:
    """One place among the workers: who fills it, or when it is filled again."""

    index: int
    pid: int | None = None
    started_at_s: float = 0.0
    due_at_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class DoorParent:
    """Forks, watches, drains."""

    def __init__(self, orders: Orders, settings: Settings, door: Door, prepared: Any) -> None:
        self._orders = orders
        self._settings = settings
        self._door = door
        self._prepared = prepared
        self._log = get_log("supervisor")
        self._signals = SignalPipe([signal.SIGTERM, signal.SIGCHLD])
        self._workers = [_Worker(index) for index in range(len(orders.workers))]
        # Only this process holds the write end: its death is the workers' end-of-file.
        self._life_read_fd, self._life_write_fd = os.pipe2(os.O_CLOEXEC)

    def run(self) -> None:
        """Until SIGTERM or the supervisor's end; returns when every worker is gone."""
        self._fill(time.monotonic())
        os.write(self._orders.status_fd, READY)
        os.close(self._orders.status_fd)
        while not self._must_end():
            self._bury()
            self._fill(time.monotonic())
        self._drain()

    def _must_end(self) -> bool:
        """Wait for a signal, the supervisor's end or the next worker that is due."""
        due = [worker.due_at_s for worker in self._workers if worker.pid is None]
        wait_s = max(0.0, min(due) - time.monotonic()) if due else None
        readable = wait_readable([self._signals.fd, self._orders.life_fd], wait_s)
        return self._orders.life_fd in readable or signal.SIGTERM in self._signals.take()

    def _fill(self, now_s: float) -> None:
        for worker in self._workers:
            if worker.pid is None and worker.due_at_s <= now_s:
                worker.pid, worker.started_at_s = self._fork(worker.index), now_s

    def _bury(self) -> None:
        """Reap the workers that ended, and say when each comes back."""
        now_s = time.monotonic()
        for worker in self._workers:
            if worker.pid is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            wait_s = worker.backoff.after_death(lived_s=now_s - worker.started_at_s)
            self._log.warning(
                "worker died",
                worker=worker.index,
                pid=pid,
                status=os.waitstatus_to_exitcode(status),
                back_in_s=wait_s,
            )
            worker.pid, worker.due_at_s = None, now_s + wait_s

    def _drain(self) -> None:
        """SIGTERM to all, the drain time of patience, then SIGKILL."""
        alive = {worker.pid for worker in self._workers if worker.pid is not None}
        for pid in alive:
            os.kill(pid, signal.SIGTERM)
        deadline_s = time.monotonic() + self._orders.drain_s
        while alive and (left_s := deadline_s - time.monotonic()) > 0:
            alive = {pid for pid in alive if not os.waitpid(pid, os.WNOHANG)[0]}
            if alive:
                wait_readable([self._signals.fd], left_s)
                self._signals.take()
        for pid in alive:
            self._log.warning("worker killed: it did not drain", pid=pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _fork(self, index: int) -> int:
        sys.stdout.flush()
        mother = os.getpid()
        # Until the worker has its own handlers, no signal may reach those of the parent.
        signals = {signal.SIGTERM, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        pid = os.fork()
        if pid == 0:
            self._become_worker(index, mother)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return pid

    def _become_worker(self, index: int, mother: int) -> NoReturn:
        """In the child: cut what belongs to the parent, serve, and never return."""
        status = 1
        try:
            self._signals.close()
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.close(self._life_write_fd)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
            die_with_parent()
            if os.getppid() == mother:
                status = self._serve(index)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _serve(self, index: int) -> int:
        configure(
            level=self._settings.log.level,
            log_format=self._settings.log.format,
            process=self._orders.door,
            worker=index,
        )
        watch_life(self._life_read_fd, drain_s=self._orders.drain_s)
        try:
            self._door.serve(self._prepared, self._context(index))
        except Exception:  # noqa: BLE001 - the top of a process: said loudly, then replaced
            get_log("supervisor").exception("worker failed")
            return 1
        return 0

    def _context(self, index: int) -> WorkerContext:
        for other, sockets in enumerate(self._orders.workers):
            for _, fd in sockets:
                if other != index:
                    os.close(fd)
        return WorkerContext(
            settings=self._settings,
            door=self._orders.door,
            index=index,
            listeners=tuple(
                Listener(name=name, sock=_adopt(fd)) for name, fd in self._orders.workers[index]
            ),
            life_fd=self._life_read_fd,
            auth_secret=Secret(bytes.fromhex(self._orders.auth_secret_hex)),
        )


def _adopt(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _read_orders() -> Orders:
    """Take the orders from standard input, and leave nothing of them behind."""
    orders = orders_from_json(read_memory_file(0))
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    for fd in orders.descriptors():
        os.set_inheritable(fd, False)
    return orders


def main() -> int:
    """Exit status 0 after a drain, 1 when the door could not be prepared."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    orders = _read_orders()
    die_with_parent()
    if is_orphaned(orders.life_fd):
        return 0
    settings = Settings.model_validate(orders.settings)
    configure(
        level=settings.log.level, log_format=settings.log.format, process=f"{orders.door} parent"
    )
    try:
        door = cast("Door", importlib.import_module(orders.module))
        prepared = door.prepare(settings)
    except Exception:  # noqa: BLE001 - the top of a process; the supervisor tries again
        get_log("supervisor").exception("door cannot be prepared", door=orders.door)
        return 1
    gc.collect()
    gc.freeze()
    DoorParent(orders, settings, door, prepared).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
