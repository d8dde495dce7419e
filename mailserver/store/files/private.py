"""Making the store's files: for their owner alone, whoever made them and under which umask.

The owner is who owns the folder.  A command that root types in a service of another
user makes files of that user, or the service could not open them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MODE = 0o600
_FOLDER_MODE = 0o700


def open_private(path: str | os.PathLike[str], flags: int = os.O_RDWR) -> int:
    """A descriptor, not inherited by programs; the file is made where there is none.

    Raises:
        OSError: no room, no descriptor, a link, or a file that is not ours.
    """
    while True:
        with suppress(FileNotFoundError):
            return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        with suppress(FileExistsError):  # somebody else made it meanwhile
            return new_private_file(path, flags)


def new_private_file(path: str | os.PathLike[str], flags: int = os.O_RDWR) -> int:
    """A descriptor of a file that was not there.

    Raises:
        OSError: it is there, there is no room, or no descriptor is left.
    """
    fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    os.fchmod(fd, _MODE)
    give_to_owner(fd, os.path.dirname(os.fspath(path)))
    return fd


def make_private_file(path: str | os.PathLike[str]) -> None:
    """Empty; what is there stays."""
    with suppress(FileExistsError):
        os.close(new_private_file(path))


def make_private_folder(path: str | os.PathLike[str]) -> None:
    """What is there stays.

    Raises:
        FileNotFoundError: its parent is missing.
    """
    with suppress(FileExistsError):
        os.mkdir(path, _FOLDER_MODE)
        os.chmod(path, _FOLDER_MODE)
        give_to_owner(path, os.path.dirname(os.fspath(path)))


def give_to_owner(made: int | str | os.PathLike[str], folder: str) -> None:
    """A new file, its descriptor or a new folder gets the owner of the folder that holds it."""
    if os.geteuid() != 0:
        return
    owner = Path(folder or ".").stat()
    if owner.st_uid:
        os.chown(made, owner.st_uid, owner.st_gid)
