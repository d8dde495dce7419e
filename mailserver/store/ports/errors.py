"""What a store raises: whose fault, and whether the same call may succeed later."""

from __future__ import annotations


class StoreError(Exception):
    """Base of what the store raises.  The text is for our log, never for a peer."""


class StoreUnavailable(StoreError):
    """The store cannot answer now; the same call may succeed later."""


class StoreFull(StoreUnavailable):
    """There is no room on the disk."""


class StoreBroken(StoreError):
    """The disk failed us; nothing that this process believes is safe to act on."""


class NameTaken(StoreError):
    """An identifier or address belongs to somebody, or is kept for who had it.

    `name` says which; the text also says whose, and until when.
    """

    def __init__(self, name: str, words: str = "") -> None:
        super().__init__(words or f"{name} is already taken")
        self.name = name
