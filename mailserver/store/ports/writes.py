"""What must survive: one door for all of it, and its outcomes.

`Writes.apply` waits for the disk and belongs to a writer thread (`mailserver.store.commit`).
When it has returned, its result survives a power cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.ports.lists import AddCopies, BeginPost, HoldPost
from mailserver.store.ports.mail import RemovedBy
from mailserver.store.ports.queue import (
    HopNote,
    Lease,
    Leased,
    ReportMade,
    Settled,
    Settlement,
)
from mailserver.values.ids import AcceptId, MailboxId, MessageId, Uid
from mailserver.values.message import Acceptance


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one complete QUIT asks: these entries leave this mailbox."""

    mailbox_id: MailboxId
    uids: tuple[Uid, ...]
    removed_at_s: float
    by: RemovedBy | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """On disk: the message and all its copies."""

    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Removed:
    """On disk: `count` entries are gone; those that were gone before are not counted."""

    count: int


@dataclass(frozen=True, slots=True)
class Failed:
    """This write alone is not in the store, nothing of it is.  `error` is for the log.

    A `StoreBroken` in it: what the disk holds is not known; answer as ours, then exit.
    """

    error: BaseException


Write = (
    Acceptance
    | Removal
    | Lease
    | Settlement
    | ReportMade
    | HopNote
    | BeginPost
    | AddCopies
    | HoldPost
)


Outcome = Accepted | Removed | Leased | Settled | Failed


class Writes(Protocol):
    """The one door for what must survive."""

    def apply(self, batch: Sequence[Write]) -> list[Outcome]:
        """Commit the batch with one fsync; outcomes in the order of the batch.

        A write that cannot be applied fails alone: the others of its batch are
        tried again one by one.  Where the disk breaks on the way, what was on
        disk before stays Accepted, and the rest is Failed(StoreBroken).
        """
        ...

    def apply_waiting(self, take: Callable[[], Sequence[Write]]) -> list[Outcome]:
        """`apply` for what `take` returns, which is called once it is this process's turn.

        What arrives while others commit joins the batch: no added wait, fewer fsyncs.
        """
        ...

    def find_accepted(self, accept_id: AcceptId) -> MessageId | None:
        """Look up an accept whose commit had no clear end.  Only recent ones are searched."""
        ...
