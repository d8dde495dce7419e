"""Maildrop locks: one flock per mailbox, on files that are never unlinked.

The kernel drops the lock with the process that held it, so a crash leaves no
mailbox locked.  flock belongs to the open file, so two sessions of one process
exclude each other too.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mailserver.values.ids import MailboxId


class MaildropFlock:
    """Holds the lock until `release`."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.release()


class MaildropLocks:
    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def lock_maildrop(self, mailbox_id: MailboxId) -> MaildropFlock | None:
        fd = os.open(f"{self._folder}/{mailbox_id}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        return MaildropFlock(fd)
