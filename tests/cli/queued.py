"""Queued mail in a service's store, for tests of commands that look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mailserver.queue.copies import CopyState
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.queue import Attempt, CopyOutcome, Lease, Leased, Settled, Settlement
from mailserver.store.ports.store import Store
from mailserver.values.ids import AcceptId, AgentId
from mailserver.values.message import Acceptance, NewCopy, Relay
from tests.store.letters import FACTS, accept, letter

AT_S = 1_699_935_611.0  # 2023-11-14 04:20:11Z
BLOCK = b"Subject: essai\r\nMessage-ID: <1.essai@pc.a.test>\r\n\r\n"
WORDS = "450 4.2.0 Greylisted, come back later"


@contextmanager
def store_of(service: Path) -> Iterator[Store]:
    store = open_store(load_settings(service, {}))
    try:
        yield store
    finally:
        store.close()


def to_relay(
    *recipients: str, sender: str = "jean@a.test", hop: str = "", held_for: str = ""
) -> Acceptance:
    """One message, a queued copy for each recipient; the hop is the recipient's domain."""
    copies = tuple(
        NewCopy(
            recipient=recipient,
            route=Relay(
                next_hop=hop or recipient.rpartition("@")[2],
                turn_at_s=AT_S,
                tell_at_s=AT_S + 7200,
                held_for=held_for,
            ),
        )
        for recipient in recipients
    )
    facts = replace(FACTS, header_octets=len(BLOCK))
    whole = letter(body=BLOCK + b"Bonjour.\r\n", at_s=AT_S, facts=facts)
    return replace(whole, copies=copies, reverse_path=sender)


def queue_up(service: Path, *messages: Acceptance) -> list[AcceptId]:
    with store_of(service) as store:
        accept(store.writes, *messages)
    return [one.accept_id for one in messages]


def lease(store: Store, hop: str, *, limit: int = 100) -> tuple[AgentId, Leased]:
    """Take what is due for one destination, as an agent does."""
    agent_id = store.queue.register_agent(now_s=AT_S, until_s=AT_S + 600)
    due = store.queue.due_destinations(now_s=AT_S + 1, limit=100)
    (which,) = [one.destination_id for one in due if one.next_hop == hop]
    wanted = Lease(agent_id=agent_id, destination_id=which, limit=limit, now_s=AT_S + 1)
    (outcome,) = store.writes.apply([wanted])
    assert isinstance(outcome, Leased), outcome
    return agent_id, outcome


def try_once(service: Path, hop: str, *, words: str = WORDS) -> None:
    """Each copy for the destination is deferred once, in these words."""
    with store_of(service) as store:
        agent_id, leased = lease(store, hop)
        attempt = Attempt(
            at_s=AT_S + 2,
            host=f"mx.{hop}",
            address="[192.0.2.25]:25",
            tls="TLSv1.3",
            status="4.2.0",
            words=words,
        )
        outcomes = tuple(
            CopyOutcome(ref=copy.ref, state=CopyState.QUEUED, attempt=attempt, due_at_s=AT_S + 302)
            for copy in leased.copies
        )
        settlement = Settlement(agent_id=agent_id, outcomes=outcomes, at_s=AT_S + 2)
        assert store.writes.apply([settlement]) == [Settled()]
        store.queue.resign_agent(agent_id)
