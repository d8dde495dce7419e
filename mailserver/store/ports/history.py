"""Journeys: the story of each accepted message, for those who ask what became of it.

Same rules as `mailserver.store.ports`: every call blocks and returns values.

A journey is found by its accept id, by the Message-ID of its author's header,
or by an address (its reverse-path, or a recipient).  An index of its own makes
that quick.  It is built after the fact, by the keeper, and may be behind or
lost: a search looks at the newest messages itself, as far as `UNINDEXED_LIMIT`,
and says how many it has not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.mail import RemovedBy
from mailserver.store.ports.queue import Attempt, Lane
from mailserver.values.ids import AcceptId, MailboxId, MessageId, Uid

UNINDEXED_LIMIT: Final = 20_000
"""Messages that are not indexed yet and that one search looks at itself, the newest first."""

_TLS = re.compile(rb"\t\(using (\S+ with cipher \S+ \(\d+ bits\))\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """One try, and the state to which it led: QUEUED means deferred."""

    attempt: Attempt
    outcome: CopyState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A copy in the queue: for whom, until when, and what its next hop suffers from."""

    lane: Lane
    next_hop: str
    due_at_s: float
    attempt_count: int
    reason: str  # why it is held
    hop_not_before_s: float  # the hop itself failed; 0: it may be tried
    hop_error: str
    suspended_until_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One POP3 session that retrieved the entry."""

    at_s: float  # its first retrieval
    door: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStep:
    """Where one copy is now.  `owner` and `mailbox` say whose and which mailbox its route names.

    Each of the optional values is None while there is none: no mailbox on the
    route, not settled yet, not removed, a mailbox that has been deleted since.
    """

    copy_no: int
    recipient: str  # as the envelope named it
    state: CopyState
    mailbox_id: MailboxId | None
    uid: Uid | None
    settled_at_s: float | None
    owner: str | None  # identifier
    mailbox: str | None  # name, as INBOX
    removed_at_s: float | None
    waiting: Waiting | None = None
    attempts: tuple[PastAttempt, ...] = ()
    collections: tuple[Collection, ...] = ()
    owed: tuple[ReportKind, ...] = ()  # reports that its sender must still get
    removed_by: RemovedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One accepted message and its copies, in the order of the envelope."""

    message_id: MessageId
    accept_id: AcceptId
    accepted_at_s: float
    submitter: str | None  # identifier of the account; None from strangers
    reverse_path: str
    door: str
    peer: str
    head: bytes  # our own header lines, the trace header first
    body_octets: int
    header_id: str  # Message-ID of the author's header; empty: none, or its octets are gone
    copies: tuple[CopyStep, ...]
    holder: str | None = None  # who signed in to that account as themselves; None: the account

    @property
    def tls(self) -> str:
        """Over which TLS it came, as the trace header says; empty: none."""
        found = _TLS.search(self.head)
        return found[1].decode("ascii", "replace") if found is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """What a search found, the newest first."""

    journeys: tuple[Journey, ...]
    unsearched_count: int  # messages that are neither indexed yet nor were looked at


class Journeys(Protocol):
    def journey(self, accept_id: AcceptId) -> Journey | None:
        """The story of one accept, as far as it has come; None: not in the history."""
        ...

    def journeys_of(self, address: str, *, limit: int) -> Sightings:
        """Messages from or to an address, however it is spelled."""
        ...

    def journeys_named(self, header_id: str, *, limit: int) -> Sightings:
        """Messages by the Message-ID of their author's header, with or without its brackets."""
        ...


class Collections(Protocol):
    """What POP3 sessions retrieved.  May be lost, as everything of the scratch."""

    def note_collected(
        self, mailbox_id: MailboxId, uids: Iterable[int], collection: Collection
    ) -> None:
        """One session is over, and it retrieved these entries in full.  Waits for a lock."""
        ...

    def collected(self, mailbox_id: MailboxId, uid: Uid) -> tuple[Collection, ...]:
        """The sessions that retrieved one entry, in order of time."""
        ...


class History(Journeys, Collections, Protocol):
    """All that `store.history` answers."""
