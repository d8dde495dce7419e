"""A FIFO in the store's folder: one octet says that something may be due.

Opened for reading and writing by everybody, so that nobody ever meets an end
of file or waits for the other side.  What nobody reads stays there, up to the
pipe's 64 KiB; more is dropped, because it would say nothing new.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mailserver.store.files.private import give_to_owner


class WakeupPipe:
    """One for each process that opens the store; a descriptor from its first use on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def wake(self) -> None:
        """Never waits and never fails: the mail is on disk, and agents look by themselves too."""
        with suppress(OSError):
            os.write(self.fd(), b"\0")

    def fd(self) -> int:
        """Non-blocking; readable when something may be due."""
        if self._fd < 0:
            with suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
                self._path.chmod(0o600)
                give_to_owner(self._path, str(self._path.parent))
            self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
