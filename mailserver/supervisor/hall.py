"""The hall process: imports what the doors share once, and forks one parent for each door.

Started fresh by the supervisor for each generation of settings, with its orders
on standard input, so that a reload runs the code that is installed then.
Importing is most of the time and memory of a start; here it is paid once.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from contextlib import suppress

from mailserver.settings.model import Settings
from mailserver.supervisor.children import Children
from mailserver.supervisor.family import die_with_parent, is_orphaned, name_process
from mailserver.supervisor.memory_file import read_memory_file
from mailserver.supervisor.orders import Orders, orders_from_json
from mailserver.supervisor.parent import DoorParent
from mailserver.telemetry.log import configure, get_log
from mailserver.values.secret import Secret

READY = b"ready\n"
PARENT_MARGIN_S = 1.0
"""A door's parent kills its workers after the drain time; this much later it is killed itself."""


class Hall:
    """Forks the doors' parents, brings back those that die, says when all are ready."""

    def __init__(self, orders: Orders, settings: Settings) -> None:
        self._orders = orders
        self._settings = settings
        self._log = get_log("supervisor")
        self._children = Children(len(orders.doors), self._open, life_fd=orders.life_fd)
        # Each door's parent writes its number here once its workers are forked.
        self._ready_fd, self._tell_fd = os.pipe2(os.O_CLOEXEC)
        self._not_ready = set(range(len(orders.doors)))

    def run(self) -> None:
        """Until SIGTERM or the supervisor's end; returns when every door is closed."""
        self._children.fill()
        while not self._children.must_end:
            if self._ready_fd in self._children.wait(self._ready_fd):
                self._note_ready()
            self._bury()
            self._children.fill()
        self._children.drain(self._orders.drain_s + PARENT_MARGIN_S)

    def _note_ready(self) -> None:
        told = os.read(self._ready_fd, 256)
        if self._not_ready:
            self._not_ready -= set(told)
            if not self._not_ready:
                self._tell_supervisor(READY)
                os.close(self._orders.status_fd)

    def _bury(self) -> None:
        for death in self._children.bury():
            name = self._orders.doors[death.index].name
            self._log.warning(
                "door died", door=name, status=death.status, back_in_s=death.back_in_s
            )
            if self._not_ready:
                self._tell_supervisor(b"%s ended with status %d\n" % (name.encode(), death.status))

    def _tell_supervisor(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # it is gone, which the life pipe says too
            os.write(self._orders.status_fd, line)

    def _open(self, index: int) -> int:
        """In the child: the parent of one door."""
        door = self._orders.doors[index]
        os.close(self._ready_fd)
        if self._not_ready:
            os.close(self._orders.status_fd)
        for other in self._orders.doors:
            if other is not door:
                for fd in other.descriptors():
                    os.close(fd)

        def tell_ready() -> None:
            os.write(self._tell_fd, bytes([index]))
            os.close(self._tell_fd)

        parent = DoorParent(
            door,
            self._settings,
            auth_secret=Secret(bytes.fromhex(self._orders.auth_secret_hex)),
            drain_s=self._orders.drain_s,
            life_fd=self._children.life_read_fd,
        )
        return parent.run(tell_ready)


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
    """Exit status 0 after a drain."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    orders = _read_orders()
    die_with_parent()
    if is_orphaned(orders.life_fd):
        return 0
    name_process("hall")
    settings = Settings.model_validate(orders.settings)
    configure(level=settings.log.level, log_format=settings.log.format, process="hall")
    for module in orders.common:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    Hall(orders, settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
