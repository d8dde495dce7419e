"""The fork server: imports what the doors share once, and forks one parent for each door.

Importing is most of the time and memory of a start; here it is paid once.  The
first one is forked by `mailserver run`, which has imported most of it already;
those of a reload are started fresh, so that they run the code that is installed
then.  Its orders come through a socket on standard input.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress

from mailserver.settings.model import Settings
from mailserver.supervisor.forking.children import Children
from mailserver.supervisor.forking.family import die_with_parent, is_orphaned, name_process
from mailserver.supervisor.forking.parent import DoorParent, tell_silence
from mailserver.supervisor.forking.privileges import forget_environment, give_up
from mailserver.supervisor.orders import Orders, receive_orders
from mailserver.telemetry.log import configure, get_log
from mailserver.values.secret import Secret

READY = b"ready\n"
PARENT_MARGIN_S = 1.0
"""A door's parent kills its workers after the drain time; this much later it is killed itself."""


class ForkServer:
    """Forks the doors' parents, brings back those that die, says when all are ready."""

    def __init__(self, orders: Orders, settings: Settings) -> None:
        self._orders = orders
        self._settings = settings
        self._log = get_log("supervisor")
        self._board = orders.open_board()
        seats = [self._board.seat(f"{door.name} parent") for door in orders.doors]
        self._children = Children(seats, self._open, life_fd=orders.life_fd)
        # Each door's parent writes its number here once its workers are forked.
        self._ready_fd, self._tell_fd = os.pipe2(os.O_CLOEXEC)
        self._not_ready = set(range(len(orders.doors)))

    def run(self) -> None:
        """Until SIGTERM or the supervisor's end; returns when every door is closed."""
        self._children.fill()
        while not self._children.must_end:
            if self._ready_fd in self._children.wait(self._ready_fd):
                self._note_ready()
            self._watch()
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

    def _watch(self) -> None:
        for silence in self._children.watch():
            tell_silence(self._log, silence, door=self._orders.doors[silence.index].name)

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
        others = {fd for other in self._orders.doors for fd in other.descriptors()}
        for fd in others - set(door.descriptors()):
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
            board=self._board,
        )
        return parent.run(tell_ready)


def _take_orders() -> Orders | None:
    """From standard input, of which nothing is left."""
    with socket.socket(fileno=os.dup(0)) as sock:
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        os.close(nowhere)
        return receive_orders(sock)


def main(common: Iterable[str] = ()) -> int:
    """Exit status 0 after a drain.

    common: imported while the orders are on their way.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    die_with_parent()
    name_process("fork server")
    _import(common)
    orders = _take_orders()
    if orders is None or is_orphaned(orders.life_fd):
        return 0
    forget_environment()
    give_up(orders.user_id, orders.group_id)
    settings = Settings.model_validate(orders.settings)
    configure(level=settings.log.level, log_format=settings.log.format, process="fork server")
    _import(orders.common)
    gc.collect()
    gc.freeze()
    ForkServer(orders, settings).run()
    return 0


def _import(modules: Iterable[str]) -> None:
    for module in modules:
        importlib.import_module(module)


if __name__ == "__main__":
    sys.exit(main())
