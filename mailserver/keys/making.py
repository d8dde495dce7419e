"""New files of a stated mode, whatever the umask, never through a link: keys, settings.

Whoever can write in the folder before could otherwise lead a key to a place of their own.
`publish_new` is for what must be whole whenever it is there, whoever else makes it just now:

    lock of the folder -> draft `NAME.new` -> fsync -> link to `NAME` -> draft removed -> fsync

What dies on the way leaves a draft at most, which the next one to come removes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644


def write_new(path: Path, octets: bytes, *, mode: int) -> None:
    """Write a file that was not there.

    Raises:
        FileExistsError: something is there, a link included, and stays as it is.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, mode)
    with open(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(octets)
        file.flush()
        os.fsync(fd)


def publish_new(path: Path, octets: bytes, *, mode: int) -> None:
    """Write a file that was not there, which is whole whenever it is there.

    Raises:
        FileExistsError: something is there, a link included, and stays as it is.
    """
    draft = draft_of(path)
    with _open_folder(path.parent) as folder:
        with suppress(OSError):  # a file system that has no locks
            fcntl.flock(folder, fcntl.LOCK_EX)  # one draft at a time, whichever process makes it
        draft.unlink(missing_ok=True)  # of an attempt that was interrupted; also a link
        write_new(draft, octets, mode=mode)
        try:
            path.hardlink_to(draft)
        finally:
            draft.unlink()
        os.fsync(folder)


def draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def sync_folder(folder: Path | str) -> None:
    """Names in it are on the disk from now on."""
    with _open_folder(folder) as fd:
        os.fsync(fd)


@contextmanager
def _open_folder(folder: Path | str) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
