"""Where a process has its keys from: memory that a parent filled, else the files.

    handed memory:  ! i   errno of the last reading, 0: it went well
                    32    SHA-256 of what follows
                    rest  the file's octets

`adopt` is called once, before the first key is read; from then on `read_key` and
`stamp_of` answer for these paths as if the files could be read.  The parent writes
a changed file over the old one; the digest tells a reader that came in between.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MAX_KEY_OCTETS: Final = 1024 * 1024
_HEAD: Final = struct.Struct("!i32s")
_TRIES: Final = 20
_PAUSE_S: Final = 0.005
_PR_SET_DUMPABLE: Final = 4
_PR_GET_DUMPABLE: Final = 3

Stamp = tuple[int, int, int]
"""Changes when the file does."""

_handed: dict[str, int] = {}
_showing = threading.Lock()


def adopt(handed: Iterable[tuple[str, int]]) -> None:
    """From now on these paths are read from these descriptors, which stay open."""
    _handed.update(handed)


def pack(octets: bytes, error_number: int = 0) -> bytes:
    """What the memory of one key holds.  error_number: why the file could not be read."""
    return _HEAD.pack(error_number, hashlib.sha256(octets).digest()) + octets


def read_key(path: Path) -> bytes:
    """The octets of a key file, a certificate or a password file.

    Raises:
        OSError: as for the file itself, also where it is the parent that met it.
    """
    fd = _handed.get(str(path))
    if fd is None:
        return path.read_bytes()
    for _ in range(_TRIES):
        packed = os.pread(fd, MAX_KEY_OCTETS, 0)
        if len(packed) >= _HEAD.size:
            error_number, digest = _HEAD.unpack_from(packed)
            octets = packed[_HEAD.size :]
            if hashlib.sha256(octets).digest() == digest:
                if error_number:
                    raise OSError(error_number, os.strerror(error_number), str(path))
                return octets
        time.sleep(_PAUSE_S)  # it is being written
    raise OSError(f"{path}: what was handed down is spoilt")


def stamp_of(path: Path) -> Stamp:
    """
    Raises:
        OSError: there is no such file.
    """
    fd = _handed.get(str(path))
    stat = path.stat() if fd is None else os.fstat(fd)
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def is_handed(path: Path) -> bool:
    """Does this process have the key in memory, from its parent?"""
    return str(path) in _handed


@contextmanager
def named(*paths: Path) -> Iterator[list[str]]:
    """Names under which a library that wants files can open them, inside the block only.

    A process that gave up root is closed to the others of its user, and so to its own
    /proc/self/fd: for the length of the block it is not.

    Raises:
        OSError: as `read_key`.
    """
    if not any(is_handed(path) for path in paths):
        yield [str(path) for path in paths]
        return
    fds: list[int] = []
    try:
        fds += map(_private_copy, map(read_key, paths))
        with _showing, _open_to_itself():
            yield [f"/proc/self/fd/{fd}" for fd in fds]
    finally:
        for fd in fds:
            os.close(fd)


def _private_copy(octets: bytes) -> int:
    fd = os.memfd_create("key", os.MFD_CLOEXEC)
    with open(os.dup(fd), "wb") as file:
        file.write(octets)
    return fd


@contextmanager
def _open_to_itself() -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    before = libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_DUMPABLE, before, 0, 0, 0)
