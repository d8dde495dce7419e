"""Files that `init` makes: new, of a stated mode whatever the umask, never through a link.

Whoever can write in the folder before `init` does could otherwise lead a key, or the
store, to a place of their own.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644
FOLDER_MODE: Final = 0o700


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
    draft.unlink(missing_ok=True)  # of an attempt that was interrupted; also a link
    write_new(draft, octets, mode=mode)
    try:
        path.hardlink_to(draft)
    finally:
        draft.unlink()
    sync_folder(path.parent)


def draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def sync_folder(folder: Path) -> None:
    """Names in it are on the disk from now on."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def refuse_link(path: Path) -> None:
    """
    Raises:
        OSError: it is a link, whatever it leads to.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "is a link: put a folder there, or name the other place", path)


def make_folder(path: Path) -> None:
    """A folder for its owner alone; one that is there stays as it is.

    Raises:
        OSError: it is a link, or something else than a folder.
    """
    refuse_link(path)
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(FOLDER_MODE)
        path.chmod(FOLDER_MODE)
