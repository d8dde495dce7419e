"""Locks of the processes on one machine: flocks on files that are never unlinked.

One for each mailbox that a session has had, one for each agent (`slots`), one for the keeper.

The kernel drops the lock with the process that held it, so a crash leaves nothing
locked.  flock belongs to the open file, so two sessions of one process
exclude each other too.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from mailserver.store.files.private import open_private
from mailserver.store.files.slots import AgentSlots
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


class FileLocks(MaildropLocks):
    """The `Locks` port, in the store's folder."""

    def __init__(self, folder: Path, *, make_room: Callable[[], object] = lambda: None) -> None:
        super().__init__(folder / "locks", make_room=make_room)
        self.slots = AgentSlots(folder / "locks")
        self._keeper_path = folder / "keeper.lock"
        self._keeper_fd = -1

    def become_keeper(self) -> bool:
        if self._keeper_fd >= 0:
            return True
        fd = open_private(self._keeper_path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._keeper_fd = fd
        return True

    def close(self) -> None:
        """Give up the slots and the keeper's turn; a maildrop is its session's to release."""
        self.slots.close()
        if self._keeper_fd >= 0:
            os.close(self._keeper_fd)
            self._keeper_fd = -1
