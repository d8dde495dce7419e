"""What a store raises: whose fault, and whether the same call may succeed later."""

from __future__ import annotations

import errno
from enum import Enum


class StoreError(Exception):
    """Base of what the store raises.  The text is for our log, never for a peer."""


class StoreUnavailable(StoreError):
    """The store cannot answer now; the same call may succeed later."""


class Shortage(Enum):
    """Of what a disk has not enough; the value stands in the log."""

    DISK = "the disk is full"
    QUOTA = "the disk quota of the service's user is used up"
    FILE_SIZE = "a limit on the size of files is reached (ulimit -f)"


class StoreFull(StoreUnavailable):
    """There is no room on the disk, or none for us."""

    def __init__(self, words: str, why: Shortage = Shortage.DISK) -> None:
        super().__init__(words if why is Shortage.DISK else f"{why.value}: {words}")
        self.why = why


def shortage_of(number: int | None) -> Shortage | None:
    """What an errno of a write says; None: it is no want of room."""
    match number:
        case errno.ENOSPC:
            return Shortage.DISK
        case errno.EDQUOT:
            return Shortage.QUOTA
        case errno.EFBIG:
            return Shortage.FILE_SIZE
        case _:
            return None


class StoreBroken(StoreError):
    """The disk failed us; nothing that this process believes is safe to act on."""


class NameTaken(StoreError):
    """An identifier or address belongs to somebody, or is kept for who had it.

    `name` says which; the text also says whose, and until when.
    """

    def __init__(self, name: str, words: str = "") -> None:
        super().__init__(words or f"{name} is already taken")
        self.name = name
