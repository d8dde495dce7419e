"""Folders that `init` makes: for their owner alone, never through a link.

Whoever can write in the folder before `init` does could otherwise lead a key, or the
store, to a place of their own.  Its files are made by `mailserver.keys.making`.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700


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
