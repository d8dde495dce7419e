"""Slots of delivery agents: one flock each, on `locks/agent-<n>`, never unlinked.

The kernel drops the lock with the process, so what a killed agent held is
given back as soon as anybody looks, and not only when its time is up.
"""

from __future__ import annotations

import fcntl
import os
from itertools import count
from pathlib import Path

from mailserver.store.files.private import open_private
from mailserver.store.ports.errors import StoreUnavailable


class AgentSlots:
    """The `Slots` of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._held: dict[int, int] = {}  # slot -> descriptor

    def take(self) -> int:
        """
        Raises:
            StoreUnavailable: no descriptor left, or no room for one more file.
        """
        for slot in count():
            fd = self._lock(slot)
            if fd is not None:
                self._held[slot] = fd
                return slot
        raise AssertionError("count() ended")

    def is_free(self, slot: int) -> bool:
        """Is whoever had it dead?  Our own are not."""
        fd = self._lock(slot)
        if fd is None:
            return False
        os.close(fd)
        return True

    def leave(self, slot: int) -> None:
        fd = self._held.pop(slot, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        for slot in list(self._held):
            self.leave(slot)

    def _lock(self, slot: int) -> int | None:
        """A descriptor that has the lock; None: somebody else has it."""
        try:
            fd = open_private(f"{self._folder}/agent-{slot}")
        except OSError as error:
            raise StoreUnavailable(f"agent lock: {error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError as error:
            os.close(fd)
            raise StoreUnavailable(f"agent lock: {error}") from error
        return fd
