"""The keys that a supervisor started as root reads, and hands down in memory.

Each file has one piece of memory for the life of the service: read-only for who
gets it, written over by us when the file has changed (`mailserver.keys.files` says
how it is laid out, and reads it).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailserver.keys.files import MAX_KEY_OCTETS, pack

LOOK_S = 30.0
"""Changed files are noticed within a minute: ours is half of it, the door's the other."""


@dataclass(slots=True)
class _Held:
    write_fd: int
    read_fd: int
    stamp: tuple[int, ...]


class Keyring:
    """The book of keys by path."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def fds_of(self, paths: Iterable[str]) -> list[tuple[str, int]]:
        """(path, descriptor for reading); what is new is read now, what is missing is noted."""
        return [(path, self._hold(path).read_fd) for path in paths]

    def refresh(self) -> list[str]:
        """Read again what has changed; the paths of these."""
        changed = []
        for path, held in self._held.items():
            stamp = _stamp(path)
            if stamp != held.stamp:
                held.stamp = stamp
                _write(held.write_fd, path)
                changed.append(path)
        return changed

    def close(self) -> None:
        """Our ends; who was handed a key keeps it."""
        for held in self._held.values():
            os.close(held.write_fd)
            os.close(held.read_fd)
        self._held.clear()

    def _hold(self, path: str) -> _Held:
        held = self._held.get(path)
        if held is None:
            fd = os.memfd_create("key", os.MFD_CLOEXEC)
            os.fchmod(fd, 0o400)  # nobody but root opens it a second time
            stamp = _stamp(path)
            _write(fd, path)
            read_fd = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
            held = self._held[path] = _Held(fd, read_fd, stamp)
        return held


def _stamp(path: str) -> tuple[int, ...]:
    """Empty: there is no such file."""
    with suppress(OSError):
        stat = Path(path).stat()
        return stat.st_mtime_ns, stat.st_ino, stat.st_size
    return ()


def _write(fd: int, path: str) -> None:
    """What a reader sees in between has a digest that is not its own."""
    try:
        with open(path, "rb") as file:
            packed = pack(file.read(MAX_KEY_OCTETS))
    except OSError as error:
        packed = pack(b"", error.errno or 5)
    os.ftruncate(fd, 0)
    os.pwrite(fd, packed, 0)
