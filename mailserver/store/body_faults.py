"""Bodies that their files do not give: what is wrong with one, and what to tell of it.

    lost         there is no file, or one of another size: only a backup brings it back
    unreadable   the file is there, and the system refuses it: whoever mends that has it again

One such body is no fault of the store: everything else is read as ever.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailserver.store.ports import StoreUnavailable
from mailserver.values.ids import AcceptId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFault:
    """why: in words, without the path.  name: of the file, as the row says."""

    message_id: MessageId
    name: str
    why: str
    is_lost: bool

    def __str__(self) -> str:
        return f"bodies/{self.name[:2]}/{self.name} {self.why}"


class BodyError(StoreUnavailable):
    """This body cannot be had now.  The text is for our log and for operators."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class BodyLost(BodyError):
    """It will not come back by itself."""


class BodyUnreadable(BodyError):
    """The next try may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyBody:
    """A fault, and whom it concerns: identifiers of mailboxes, copies that wait to be sent."""

    fault: BodyFault
    accept_id: AcceptId
    mailboxes: tuple[str, ...]
    queued_count: int
