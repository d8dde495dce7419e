"""A fork server as the supervisor holds it: started by us, or found waiting."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.orders import Orders, send_orders

FORK_SERVER_MODULE = "mailserver.supervisor.forking.fork_server"


class ForkServerProcess(Protocol):
    """A child of ours.  What it forks is in its process group."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """The exit status once it has ended, negative for a signal."""
        ...


@dataclass(slots=True)
class WaitingForkServer:
    """Forked before this program began, by the one that became it; `orders` is what it reads."""

    pid: int
    orders: socket.socket
    _status: int | None = field(default=None, init=False)

    def poll(self) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def start_fork_server(orders: Orders) -> ForkServerProcess:
    """A fresh one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            python_command(FORK_SERVER_MODULE),
            stdin=theirs.fileno(),
            env=python_environment(),
            process_group=0,
        )
    _hand_over(ours, orders)
    return process


def employ_fork_server(waiting: WaitingForkServer, orders: Orders) -> ForkServerProcess:
    """The one that waits."""
    _hand_over(waiting.orders, orders)
    return waiting


def _hand_over(sock: socket.socket, orders: Orders) -> None:
    with sock, suppress(OSError):  # it is gone, which its status says too
        send_orders(sock, orders)
