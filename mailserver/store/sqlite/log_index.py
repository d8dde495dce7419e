"""The index of SQLite's log on a full disk: `-shm`, a file that is mapped and written into.

Before SQLite maps a part of it, it writes one octet into each 4 KiB, so that the
blocks are there.  Where blocks are smaller, as on small ext4 file systems,
the rest are holes, and a write into a hole when the disk is full ends the
process (SIGBUS).  So the blocks are allocated here, through SQLite's own descriptor: to open
and close the file once more would drop the locks that SQLite has on it.
"""

from __future__ import annotations

import os
from contextlib import suppress

_PAGE_OCTETS = 4096
_INDEX_OCTETS = 8 * 32_768
"""For a log of 32,000 pages; zeros, as SQLite would make them."""
_FDS = "/proc/self/fd"


def allocate_index(database: str) -> None:
    """After this process has opened the database.  Harmless where it cannot be done."""
    with suppress(OSError):
        if os.statvfs(database).f_frsize >= _PAGE_OCTETS:
            return
        wanted = os.path.realpath(database) + "-shm"
        for name in os.listdir(_FDS):
            with suppress(OSError):
                if os.readlink(f"{_FDS}/{name}") == wanted:
                    os.posix_fallocate(int(name), 0, _INDEX_OCTETS)
                    return


def is_in_use(database: str) -> bool:
    """Does some process have the database open, so that its log's index is there?"""
    try:
        return os.stat(database + "-shm").st_size > 0
    except OSError:
        return False
