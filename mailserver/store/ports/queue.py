"""The queue as agents and reporters see it (operators: `mailserver.store.ports.operators`).

Same rules as `mailserver.store.ports`: every call blocks and returns values.
The writes (`Lease`, `Settlement`, `ReportMade`, ...) go through `Writes.apply`,
so that they share one fsync with whatever else waits.

    accept          queued: lane FIRST, in the order of turns
    Lease           FIRST, or WAITING and due  ->  LEASED by an agent
    Settlement      LEASED -> gone (final), WAITING (deferred) or HELD
    agent's end     LEASED -> where it was, due at once (`take_over`)

A settlement counts only for what its agent still holds: an agent that was
taken over changes nothing.  A final state, its attempt, and the report that it
owes are one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.values.ids import AcceptId, AccountId, AgentId, DestinationId, MessageId
from mailserver.values.message import Acceptance, Notify

if TYPE_CHECKING:
    from mailserver.store.ports.bodies import BodyReader


LEASE_S: Final = 60.0
"""An agent that does not renew for so long is late: others take over what it holds."""


class Lane(IntEnum):
    """How a copy waits.  The numbers stand in the database and never change."""

    FIRST = 0  # never tried: in the order of turns, at once
    WAITING = 1  # not before it is due
    LEASED = 2
    HELD = 3


class CopyRef(NamedTuple):  # a tuple: there are very many, and they are keys
    message_id: MessageId
    copy_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Take at most `limit` copies of one destination.  Outcome: `Leased`.

    Half of them come from each lane while both have some, so that neither new
    mail nor what was deferred starves.
    """

    agent_id: AgentId
    destination_id: DestinationId
    limit: int
    now_s: float


class Attempt(NamedTuple):
    """One try at moving a copy, in words that a person can read."""

    at_s: float
    status: str  # enhanced code: 2.0.0, 4.4.1, 5.1.1
    words: str
    host: str = ""
    address: str = ""  # with its port, as [192.0.2.1]:25
    tls: str = ""
    phase: str = ""  # what a remote answered so: MAIL, RCPT, ...; empty: our words, or unknown


class LeasedCopy(NamedTuple):
    ref: CopyRef
    recipient: str
    notify: Notify
    original_recipient: str
    attempt_count: int  # before this one
    accepted_at_s: float
    sender: str | None = None  # the reverse-path under which it leaves; None: the message's
    before: tuple[Attempt, ...] = ()  # at other hosts of its hop, since it was leased


@dataclass(frozen=True, slots=True)
class Leased:
    """In the order in which they should be tried; those of one message stand together."""

    copies: tuple[LeasedCopy, ...]
    next_due_at_s: float | None  # of what is left for that destination


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOutcome:
    """What became of one copy.

    state: RELAYED, DEPOSITED, RETURNED, CANCELLED, EXPANDED (final), QUEUED
        (deferred, or only told about), HELD.
    due_at_s: for QUEUED: not before; None: its lane and its turn stay, and an attempt is one
        line more of its journey, not a try of the schedule: another way is tried at once.
    tell_at_s: when its sender must hear next; None: unchanged.
    owes: the report that the sender must get, decided by `mailserver.queue.reports`.
    reason: for HELD.
    tells: for HELD: its sender hears as of a copy that waits; its last attempt is the reason.
    before: at other hosts, in the same try: a line of its journey each, and no try of the schedule.
    """

    ref: CopyRef
    state: CopyState
    attempt: Attempt | None = None
    due_at_s: float | None = None
    tell_at_s: float | None = None
    owes: ReportKind | None = None
    reason: str = ""
    tells: bool = False
    destination: str | None = None  # another next hop, for a reroute
    before: tuple[Attempt, ...] = ()


class Relayed(NamedTuple):
    """Copies of one message, numbered without a gap, that one answer took, and that owe nothing.

    Nearly all that an agent settles is that; written together it costs a tenth.
    """

    message_id: MessageId
    first_no: int
    last_no: int
    attempt: Attempt

    @property
    def copy_count(self) -> int:
        return self.last_no - self.first_no + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Outcomes of copies.  Outcome: `Settled`.

    agent_id: counts only for what this agent holds; None: only for what nobody
        holds (the timekeeper, a person at the command line).
    at_s: when, for the journey.
    relayed: of an agent only.  No copy stands in both.
    """

    agent_id: AgentId | None
    outcomes: tuple[CopyOutcome, ...]
    at_s: float
    relayed: tuple[Relayed, ...] = ()

    @property
    def copy_count(self) -> int:
        return len(self.outcomes) + sum(one.copy_count for one in self.relayed)


@dataclass(frozen=True, slots=True)
class Settled:
    """On disk.  `lost`: not ours any more, nothing was changed for them."""

    lost: tuple[CopyRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMade:
    """A report is accepted and what owed it is cleared, in one transaction.  Outcome: `Accepted`.

    acceptance: None: nobody can be told (the sender's address is gone); what
        owed it is cleared, nothing else is written, and the outcome is `Settled()`.

    If any of `cleared` was cleared before, nothing is written and the outcome
    is `Settled(lost=...)`: somebody else made it.
    """

    acceptance: Acceptance | None
    cleared: tuple[tuple[CopyRef, ReportKind], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HopNote:
    """The next hop itself failed, or works again.  Outcome: `Settled()`.

    not_before_s: nobody tries it before; 0 with failure_count 0: it works.
    """

    destination_id: DestinationId
    not_before_s: float
    failure_count: int
    error: str
    at_s: float


SMALL_OCTETS: Final = 32 * 1024
"""Of a body that `read_small` gives; most mail is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDestination:
    destination_id: DestinationId
    next_hop: str
    next_due_at_s: float
    not_before_s: float
    failure_count: int


@dataclass(slots=True, kw_only=True)
class QueuedMessage:
    """One message as the next hop gets it: head, then the body from memory or from `reader`.

    Whoever gets it closes it, and reads it with `bodies.read_body` or `bodies.body_chunks`.
    """

    message_id: MessageId
    accept_id: AcceptId
    accepted_at_s: float
    reverse_path: str
    account_id: AccountId | None
    smtputf8: bool
    is_8bit: bool  # of the body
    ends_with_crlf: bool
    header_octets: int
    longest_line_octets: int  # over 998, else 0
    dotted_line_count: int
    envelope_id: str
    return_content: str
    head: bytes
    octets: bytes | None
    reader: BodyReader | None  # of a body that is not in memory
    body_octets: int
    door: str = ""  # what took it in: a listener, or what of ours made it
    has_nul: bool = False  # in its text: it is sent to nobody
    is_unvouched: bool = False  # a stranger's, under our name (`values.message.UNVOUCHED`)
    is_signed_by_us: bool = False  # the same, with a signature of ours that holds
    peer: str = ""  # the address it came from

    @property
    def size_octets(self) -> int:
        return len(self.head) + self.body_octets

    def close(self) -> None:
        """Close the reader, if there is one.  May be called again."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueCopy:
    """A copy whose sender must hear of it: a delay, or that its time is up."""

    ref: CopyRef
    recipient: str
    reverse_path: str
    notify: Notify
    accepted_at_s: float
    tell_at_s: float
    next_hop: str
    last_words: str  # of its last attempt, else of its destination's last error
    last_status: str
    is_held: bool = False  # though its sender hears
    may_end: bool = True  # it was tried, or its hop was, or somebody suspended that


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedCopy:
    """One line of a report: the copy, and its last attempt.

    before: where that only says that its time is over: what was answered last.
    hop_error: what is known against its destination; empty: nothing.
    told_as: the addresses that its sender knows, where the recipient must stay unknown to them.
    """

    ref: CopyRef
    kind: ReportKind
    owed_at_s: float
    recipient: str
    original_recipient: str
    attempt: Attempt | None
    expires_at_s: float | None  # still queued: until when it is tried
    before: Attempt | None = None
    hop_error: str = ""
    told_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedReport:
    """What one report must say: copies of one message, of one kind, at most `REPORT_COPIES`."""

    message_id: MessageId
    kind: ReportKind
    copies: tuple[OwedCopy, ...]


class Queue(Protocol):
    def register_agent(self, *, now_s: float, until_s: float) -> AgentId:
        """Become an agent; its leases end with the process, or `LEASE_S` after it renewed last."""
        ...

    def renew_agent(self, agent_id: AgentId, *, until_s: float) -> bool:
        """False: it was taken over; nothing that it holds is its own any more."""
        ...

    def take_over(self, *, now_s: float, clock_s: float) -> int:
        """Give back what agents held that are dead or late; returns how many copies.

        clock_s: monotonic.  Late is who did not renew for `LEASE_S` while this store looked on.
        """
        ...

    def resign_agent(self, agent_id: AgentId) -> None:
        """Give back what is left, at a clean end."""
        ...

    def due_destinations(self, *, now_s: float, limit: int) -> list[DueDestination]:
        """Those with something due that are neither suspended nor failing, longest due first."""
        ...

    def next_due(self, *, now_s: float) -> float | None:
        """When anything is due next (a copy or a hop); None: nothing waits."""
        ...

    def open_queued(
        self, message_id: MessageId, *, without_body: bool = False
    ) -> QueuedMessage | None:
        """None: its body was freed.  without_body: as if it were empty.

        Raises what `ports.bodies` names.
        """
        ...

    def read_small(self, message_ids: Sequence[MessageId]) -> list[QueuedMessage]:
        """Those of these whose body has at most SMALL_OCTETS, at one go and in any order."""
        ...

    def overdue(self, *, now_s: float, limit: int) -> list[OverdueCopy]:
        """Copies in the lanes FIRST and WAITING whose `tell_at_s` has come."""
        ...

    def owed_reports(self, *, limit: int) -> list[OwedReport]:
        """The oldest first."""
        ...

    def wake_agents(self) -> None:
        """Something is due.  Cheap, may be called too often; called by `apply` itself."""
        ...

    def wakeup_fd(self) -> int:
        """Readable when something may be due: read it empty, then look."""
        ...
