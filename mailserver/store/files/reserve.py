"""A file that holds room on the disk for what must work when the disk is full.

    full        a removal could not be written: the file is emptied, its room is there
    empty       the room is owed: new mail does not get it; refilled when there is enough
    missing     none was made yet, or the disk was too small

What frees room costs a little at first: a QUIT writes to the log, the log is
moved into the database.  Room that is set aside inside one of those files
would be safer, and SQLite gives it back when it cuts them.

Its octets are allocated and never read.  It belongs in no backup.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mailserver.store.files.private import open_private


class Reserve:
    """Used by any process; filled by the keeper alone."""

    def __init__(self, path: Path, *, wanted_octets: int) -> None:
        self._path = path
        self.wanted_octets = wanted_octets

    def octets(self) -> int | None:
        """What it holds; None: it was never made."""
        try:
            return self._path.stat().st_size
        except OSError:
            return None

    def owed_octets(self) -> int:
        """What was given away and is not there again."""
        held = self.octets()
        return 0 if held is None else max(0, self.wanted_octets - held)

    def is_full(self) -> bool:
        return (self.octets() or 0) >= self.wanted_octets

    def fill(self) -> bool:
        """Allocate it; False: there is no room, and nothing is held."""
        try:
            fd = open_private(self._path)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, self.wanted_octets)
        except OSError:
            with suppress(OSError):
                os.ftruncate(fd, 0)
            return False
        finally:
            os.close(fd)
        return True

    def release(self) -> bool:
        """Give its room back to the file system; False: it held none."""
        if not self.octets():
            return False
        try:
            os.truncate(self._path, 0)
        except OSError:
            return False
        return True
