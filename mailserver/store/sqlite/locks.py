"""Maildrop locks: one flock per mailbox, on files that are never unlinked.

The kernel drops the lock with the process that held it, so a crash leaves no
mailbox locked.  flock belongs to the open file, so two sessions of one process
exclude each other too.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from mailserver.store.files.private import open_private
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.values.ids import MailboxId


class MaildropFlock:
    """Holds the lock until `release`.

    Released by closing, never by LOCK_UN: a process that was forked off must
    not undo the lock of the one that holds it.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.release()


class MaildropLocks:
    def __init__(self, folder: Path, *, make_room: Callable[[], object] = lambda: None) -> None:
        """make_room: called when there is no room for one more file; it is tried once more then."""
        self._folder = str(folder)
        self._make_room = make_room

    def lock_maildrop(self, mailbox_id: MailboxId) -> MaildropFlock | None:
        """
        Raises:
            StoreUnavailable: no descriptor left, or no room for one more file.
        """
        path = f"{self._folder}/{mailbox_id}"
        try:
            lock = MaildropFlock(self._open(path))
        except OSError as error:
            raise StoreUnavailable(f"maildrop lock: {error}") from error
        try:
            fcntl.flock(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.release()
            return None
        except OSError as error:
            lock.release()
            raise StoreUnavailable(f"maildrop lock: {error}") from error
        return lock

    def _open(self, path: str) -> int:
        try:
            return open_private(path)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self._make_room()
        return open_private(path)
