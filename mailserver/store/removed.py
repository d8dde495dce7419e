"""What was removed from a mailbox and is not gone yet: the port of those who put it back.

A removal hides an entry; its row and its body stay until the reclaimer comes:
`store.keep_removed_days` later, sooner where removed messages hold more of
the disk than `store.keep_removed_percent`, or where the disk is short.

An entry that is put back keeps its UID, and its unique-id as well: it is the
same message (RFC 1939 §7).  A program that remembers it does not collect it
again; `as_new` gives it another unique-id, so that every program does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.contents import Item
from mailserver.values.ids import MailboxId, Uid


@dataclass(frozen=True, slots=True)
class RemovedBy:
    """Which door, for whom.  by_whom: the holder who had signed in; empty: the owner."""

    door: str
    peer: str
    by_whom: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedItem:
    item: Item
    removed_at_s: float
    by: RemovedBy | None  # None: it was not written down


@dataclass(frozen=True, slots=True)
class RemovedRoom:
    """What hidden entries take.

    octets: each entry counts with its share: a message that came to many is stored once.
    """

    count: int
    octets: int


class RemovedMail(Protocol):
    def list_removed(
        self, mailbox_id: MailboxId, *, since_s: float, limit: int
    ) -> list[RemovedItem]:
        """What was removed at `since_s` or later, the latest first."""
        ...

    def removed_uids(self, mailbox_id: MailboxId, *, since_s: float) -> list[Uid]:
        """The same, all of it, in order of UID."""
        ...

    def restore_removed(
        self, mailbox_id: MailboxId, uids: Sequence[Uid], *, as_new: bool
    ) -> list[Uid]:
        """Put entries back; durable.  Returns those that were hidden: the others are untouched.

        Whoever calls holds the maildrop's lock: a session that has begun must not see them.
        Where it fails on the way, some slices are back and the others are not.
        """
        ...

    def removed_room(self) -> RemovedRoom:
        """Of all mailboxes together."""
        ...
