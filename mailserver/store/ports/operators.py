"""The queue as operators see it, and what they do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mailserver.store.ports.queue import CopyRef, Lane, Queue
from mailserver.values.ids import AcceptId, AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which copies; every field that is set must match.  Addresses and domains are folded."""

    accept_id: AcceptId | None = None
    copy_no: int | None = None
    account_id: AccountId | None = None  # that submitted the message
    sender: str | None = None
    recipient: str | None = None
    domain: str | None = None  # of the recipient
    next_hop: str | None = None
    lane: Lane | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCopy:
    ref: CopyRef
    accept_id: AcceptId
    recipient: str
    reverse_path: str
    next_hop: str
    lane: Lane
    due_at_s: float
    accepted_at_s: float
    attempt_count: int
    reason: str
    last_status: str
    last_words: str
    size_octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationState:
    """Everything that waits for one next hop."""

    next_hop: str
    first_count: int
    waiting_count: int
    leased_count: int
    held_count: int
    next_due_at_s: float | None
    not_before_s: float
    failure_count: int
    last_error: str
    last_error_at_s: float | None
    suspended_until_s: float | None  # infinite: until it is resumed


class Act(Enum):
    """What a person does to queued copies; leased ones are left alone and counted out."""

    HOLD = "hold"
    RELEASE = "release"  # held -> first lane
    RETRY = "retry"  # due at once, and so is their hop
    REROUTE = "reroute"
    RETURN = "return"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    act: Act
    by: str  # who, for the journey: a name of this machine, later an account
    reason: str
    at_s: float
    next_hop: str = ""  # for REROUTE


class Operators(Protocol):
    def list_queue(
        self, which: QueueFilter, *, after: CopyRef | None, limit: int
    ) -> list[QueuedCopy]:
        """In the order of (message, copy); `after` is the last one of the page before."""
        ...

    def count_queue(self, which: QueueFilter) -> int: ...

    def act_on(self, refs: Sequence[CopyRef], deed: Deed) -> list[CopyRef]:
        """One slice, durably; returns those that were done.  RETURN writes the owed report."""
        ...

    def list_destinations(self) -> list[DestinationState]: ...

    def suspend(self, next_hop: str, *, until_s: float | None, now_s: float) -> None:
        """None: until `resume`.  A hop that has never been seen may be suspended too."""
        ...

    def resume(self, next_hop: str) -> bool:
        """False: it was not suspended.  What came due meanwhile is due at once."""
        ...


class QueueAndOperators(Queue, Operators, Protocol):
    """All that `store.queue` answers."""
