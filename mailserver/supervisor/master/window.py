"""The window through which `status` and `config check` look at a running supervisor.

A socket of Linux's abstract namespace (unix(7)): it has no file, so a full or read-only disk does
not matter, and it ends with the process.  Its name is made from the store's folder; several
supervisors of one store (one for each door) take numbers.  Who connects gets one JSON object and
the end; nobody is listened to.  Both sides ask the kernel who the other is: root, the service's
users, or whoever started it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

MOST_SUPERVISORS: Final = 8
PATIENCE_S: Final = 2.0
MOST_OCTETS: Final = 4 * 1024 * 1024
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Window:
    """The supervisor's side."""

    def __init__(self, store: Path, *, users: Collection[int]) -> None:
        """users: who may look, besides root and ourselves."""
        self._users = {0, os.geteuid(), *users}
        self._sock: socket.socket | None = None
        for name in _names(store):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                sock.bind(name)
                sock.listen(16)
                sock.setblocking(False)
            except OSError:
                sock.close()
                continue
            self._sock = sock
            return

    @property
    def fds(self) -> list[int]:
        return [] if self._sock is None else [self._sock.fileno()]

    def answer(self, facts: dict[str, Any]) -> None:
        """To everybody who waits.  What the kernel does not take at once is lost to them."""
        if self._sock is None:
            return
        octets = json.dumps(facts).encode("ascii")
        with suppress(BlockingIOError):
            while True:
                visitor, _ = self._sock.accept()
                with visitor, suppress(OSError):
                    if _user_of(visitor) in self._users:
                        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_OCTETS)
                        visitor.setblocking(False)
                        visitor.sendall(octets)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def look(store: Path) -> list[dict[str, Any]]:
    """What every supervisor of this store says of itself; empty: none runs, or none of ours."""
    return look_at_all(store)[0]


def look_at_all(store: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """And the process ids of those that are there and say nothing: stopped, or hung."""
    found = _look(store)
    return (
        [one for one in found if not isinstance(one, int)],
        [one for one in found if isinstance(one, int)],
    )


def _look(store: Path) -> list[dict[str, Any] | int]:
    try:
        owner = store.stat().st_uid
    except OSError:
        return []
    users = {0, os.geteuid(), owner}
    return [one for name in _names(store) if (one := _ask(name, users)) is not None]


def _ask(name: str, users: Collection[int]) -> dict[str, Any] | int | None:
    """A number: the process id of one that took the connection (its kernel did) and is silent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(name)
            pid, user, _ = _CREDENTIALS.unpack(_peer_of(sock))
            if user not in users:
                return None
            octets = b""
            while more := sock.recv(65536):
                octets += more
                if len(octets) > MOST_OCTETS:
                    return None
            found = json.loads(octets)
        except TimeoutError:
            return int(pid)
        except (OSError, ValueError):
            return None
    return found if isinstance(found, dict) else None


def _user_of(sock: socket.socket) -> int:
    user: int = _CREDENTIALS.unpack(_peer_of(sock))[1]
    return user


def _peer_of(sock: socket.socket) -> bytes:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)


def _names(store: Path) -> list[str]:
    """The store's folder by device and inode, so that every path to it gives the same."""
    try:
        stat = store.stat()
    except OSError:
        return []
    digest = hashlib.sha256(f"{stat.st_dev}:{stat.st_ino}".encode("ascii")).hexdigest()[:24]
    return [f"\0mailserver/{digest}/{number}" for number in range(MOST_SUPERVISORS)]
