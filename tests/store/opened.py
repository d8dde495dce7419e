"""Opened bodies for tests: a descriptor as the store's reader of a file."""

from __future__ import annotations

import os

from mailserver.store.files.reader import BodySource, FileReader
from mailserver.store.ports.bodies import BodyFault
from mailserver.values.ids import MessageId


def reader_of(fd: int, size_octets: int | None = None) -> FileReader:
    """It owns `fd`.  size_octets: what was written; None: what is there."""
    size = os.fstat(fd).st_size if size_octets is None else size_octets
    return FileReader(fd, size, BodySource(message_id=MessageId(1), name="ab", note=_nobody))


def _nobody(_fault: BodyFault) -> None:
    pass
