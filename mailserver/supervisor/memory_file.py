"""A nameless file in memory: how plans and secrets go from one process to the next.

Never on disk, never in the arguments or the environment, which others can read.
"""

from __future__ import annotations

import os


def write_memory_file(octets: bytes) -> int:
    """A descriptor that stands at the start of `octets`.  The caller closes it."""
    fd = os.memfd_create("mailserver", os.MFD_CLOEXEC)
    with open(os.dup(fd), "wb") as file:
        file.write(octets)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def read_memory_file(fd: int) -> bytes:
    """All of it, from the start; `fd` stays open."""
    os.lseek(fd, 0, os.SEEK_SET)
    with open(os.dup(fd), "rb") as file:
        return file.read()
