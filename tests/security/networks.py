"""Three network namespaces in a row, so that a peer's network can vanish under real connections.

    service (198.18.0.1) -- router -- two peers (198.18.1.6, 198.18.1.7)

A peer that `vanish` names gets nothing any more: packets fall into a hole of the router, and
nobody hears of it.  Nothing outside the namespaces is touched.  Needs root, iproute2 and the
right to make namespaces.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SERVICE, LOST, OTHER = "198.18.0.1", "198.18.1.6", "198.18.1.7"
_ROUTER_SIDES = ("198.18.0.2", "198.18.1.1")
_CLONE_NEWNET = 0x40000000


def _may_make_namespaces() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"mo-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if made.returncode == 0:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return made.returncode == 0


needs_namespaces = pytest.mark.skipif(
    not _may_make_namespaces(), reason="needs root and network namespaces (iproute2)"
)


class Row:
    """The three namespaces; `close` removes them."""

    def __init__(self) -> None:
        base = f"mo{os.getpid()}"
        self.service, self.router, self.peer = (f"{base}-{part}" for part in ("s", "r", "p"))
        for name in (self.service, self.router, self.peer):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        self._join(self.service, SERVICE, _ROUTER_SIDES[0], "a")
        self._join(self.peer, LOST, _ROUTER_SIDES[1], "b")
        _ip("-n", self.peer, "addr", "add", f"{OTHER}/24", "dev", "b0")
        write = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        _ip("netns", "exec", self.router, "sh", "-c", write)

    def _join(self, name: str, address: str, router_side: str, link: str) -> None:
        ends = (f"{link}0", f"{link}1")
        _ip("-n", name, "link", "add", ends[0], "type", "veth", "peer", "name", ends[1],
            "netns", self.router)  # fmt: skip
        for where, end, own in ((name, ends[0], address), (self.router, ends[1], router_side)):
            _ip("-n", where, "addr", "add", f"{own}/24", "dev", end)
            _ip("-n", where, "link", "set", end, "up")
        _ip("-n", name, "route", "add", "default", "via", router_side)

    @contextmanager
    def vanished(self, address: str = LOST) -> Iterator[None]:
        """Nothing gets to this peer."""
        _ip("-n", self.router, "route", "add", "blackhole", f"{address}/32")
        try:
            yield
        finally:
            _ip("-n", self.router, "route", "del", "blackhole", f"{address}/32")

    def connect(self, port: int, *, source: str = LOST, receive_octets: int = 0) -> socket.socket:
        """From a peer to the service.  receive_octets: the peer's buffer; 0: as usual."""
        made: list[Any] = []

        def make() -> None:
            # A thread of its own goes there and ends; the socket stays.
            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open(f"/run/netns/{self.peer}", os.O_RDONLY)
            try:
                assert libc.setns(fd, _CLONE_NEWNET) == 0
                sock = socket.socket()
                if receive_octets:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
                sock.settimeout(30)
                sock.bind((source, 0))
                sock.connect((SERVICE, port))
                made.append(sock)
            except OSError as error:
                made.append(error)
            finally:
                os.close(fd)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        sock: socket.socket = made[0]
        return sock

    def in_service(self, *command: str, user_id: int = 0) -> list[str]:
        """The command, to be run where the service is."""
        ids = (f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups")
        become = ["setpriv", *ids] if user_id else []
        return ["ip", "netns", "exec", self.service, *become, *command]

    def close(self) -> None:
        for name in (self.service, self.router, self.peer):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
