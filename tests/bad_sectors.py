"""A file whose disk refuses to be read from one octet on, as a bad sector does: EIO."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest


def break_file(patch: pytest.MonkeyPatch, path: Path, *, at_octet: int) -> None:
    """What lies before is given, also as the short read that the kernel makes of it."""
    broken = path.stat().st_ino
    pread = os.pread

    def pread_around(fd: int, count: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino != broken or offset + count <= at_octet:
            return pread(fd, count, offset)
        if offset >= at_octet:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, at_octet - offset, offset)

    patch.setattr(os, "pread", pread_around)
