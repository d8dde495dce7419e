"""Queued mail as doors and agents handle it, for the tests of the queue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import (
    LEASE_S,
    Attempt,
    CopyOutcome,
    CopyRef,
    Lease,
    Leased,
    Settled,
    Settlement,
)
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Write, Writes
from mailserver.values.ids import AgentId, DestinationId
from mailserver.values.message import Acceptance, NewCopy, Notify, Relay
from tests.store.letters import NOW_S, letter

EXPIRES_AT_S = NOW_S + 432_000.0
HOP = "exemple.net"


def outgoing(
    *recipients: str,
    hop: str = HOP,
    turn_at_s: float | None = None,
    at_s: float = NOW_S,
    tell_at_s: float = EXPIRES_AT_S,
    held_for: str = "",
    notify: Notify = Notify.UNSAID,
    original_recipient: str = "",
    reverse_path: str = "jean.petit@ac-exemple.fr",
) -> Acceptance:
    """One accepted message, a queued copy for each recipient."""
    route = Relay(
        next_hop=hop,
        turn_at_s=at_s if turn_at_s is None else turn_at_s,
        tell_at_s=tell_at_s,
        held_for=held_for,
    )
    copies = tuple(
        NewCopy(
            recipient=recipient,
            route=route,
            notify=notify,
            original_recipient=original_recipient,
        )
        for recipient in recipients or (f"quelqu.un@{hop}",)
    )
    return replace(letter(at_s=at_s), copies=copies, reverse_path=reverse_path)


class Agent:
    """An agent that is told what to do."""

    def __init__(self, store: Store, *, now_s: float = NOW_S) -> None:
        self.store = store
        self.now_s = now_s
        self.agent_id = store.queue.register_agent(now_s=now_s, until_s=now_s + 60)

    def destinations(self) -> dict[str, DestinationId]:
        """What is due now, by next hop."""
        due = self.store.queue.due_destinations(now_s=self.now_s, limit=1_000)
        return {one.next_hop: one.destination_id for one in due}

    def lease(self, hop: str = HOP, *, limit: int = 100) -> list[CopyRef]:
        """From a hop that is due; nothing from one that is not."""
        return [copy.ref for copy in self.lease_all(hop, limit=limit).copies]

    def lease_all(self, hop: str = HOP, *, limit: int = 100) -> Leased:
        destination_id = self.destinations().get(hop)
        if destination_id is None:
            return Leased((), None)
        return self.lease_of(destination_id, limit=limit)

    def lease_of(self, destination_id: DestinationId, *, limit: int = 100) -> Leased:
        leased = one(self.store.writes, self.request(destination_id, limit=limit))
        assert isinstance(leased, Leased), leased
        return leased

    def request(self, destination_id: DestinationId, *, limit: int = 100) -> Lease:
        return Lease(
            agent_id=self.agent_id, destination_id=destination_id, limit=limit, now_s=self.now_s
        )

    def settle(self, *outcomes: CopyOutcome) -> list[CopyRef]:
        """Returns what was lost."""
        return settle(self.store.writes, self.agent_id, *outcomes, at_s=self.now_s)

    def relay(self, refs: Iterable[CopyRef]) -> list[CopyRef]:
        return self.settle(*(relayed(ref, at_s=self.now_s) for ref in refs))


def take_over_late(store: Store, *, now_s: float = NOW_S) -> int:
    """What agents held that did not renew while this store looked on for a lease's length."""
    assert store.queue.take_over(now_s=now_s, clock_s=0.0) == 0
    return store.queue.take_over(now_s=now_s, clock_s=LEASE_S)


def one(store: Writes, write: Write) -> object:
    (outcome,) = store.apply([write])
    return outcome


def settle(
    store: Writes, agent_id: AgentId | None, *outcomes: CopyOutcome, at_s: float = NOW_S
) -> list[CopyRef]:
    settled = one(store, Settlement(agent_id=agent_id, outcomes=outcomes, at_s=at_s))
    assert isinstance(settled, Settled), settled
    return list(settled.lost)


def attempt(status: str = "2.0.0", words: str = "250 ok", *, at_s: float = NOW_S) -> Attempt:
    return Attempt(
        at_s=at_s,
        host=f"mx.{HOP}",
        address="[192.0.2.25]:25",
        tls="TLSv1.3",
        status=status,
        words=words,
    )


def relayed(ref: CopyRef, *, at_s: float = NOW_S, owes: ReportKind | None = None) -> CopyOutcome:
    return CopyOutcome(ref=ref, state=CopyState.RELAYED, attempt=attempt(at_s=at_s), owes=owes)


def returned(ref: CopyRef, *, owes: ReportKind | None = ReportKind.FAILED) -> CopyOutcome:
    tried = attempt("5.1.1", "550 5.1.1 no such user")
    return CopyOutcome(ref=ref, state=CopyState.RETURNED, attempt=tried, owes=owes)


def deferred(ref: CopyRef, due_at_s: float, *, tell_at_s: float | None = None) -> CopyOutcome:
    return CopyOutcome(
        ref=ref,
        state=CopyState.QUEUED,
        attempt=attempt("4.2.0", "451 4.2.0 later"),
        due_at_s=due_at_s,
        tell_at_s=tell_at_s,
    )
