"""Agents: leases die with them, and what comes in wakes them."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailserver.store.ports.bodies import read_body
from mailserver.store.ports.policies import StsPolicy
from mailserver.store.ports.queue import LEASE_S, SMALL_OCTETS, Lane
from mailserver.store.ports.store import Store
from mailserver.values.message import InlineBody
from tests.store.child import OtherProcess
from tests.store.letters import BODY, HEAD, NOW_S, accept, letter_to, people
from tests.store.places import Place, count
from tests.store.queued import HOP, Agent, deferred, outgoing, settle, take_over_late


def is_woken(store: Store, within_s: float = 0.0) -> bool:
    """Is there anything to read?  Reads it empty, as agents do."""
    readable, _, _ = select.select([store.queue.wakeup_fd()], [], [], within_s)
    if readable:
        os.read(store.queue.wakeup_fd(), 65_536)
    return bool(readable)


def test_what_an_agent_held_goes_back_where_it_was(store: Store, place: Place) -> None:
    accept(store.writes, outgoing("a@x", "b@x", turn_at_s=NOW_S + 900))
    agent = Agent(store)
    first, second = agent.lease()
    agent.settle(deferred(first, NOW_S))
    agent.lease()
    store.queue.resign_agent(agent.agent_id)
    assert count(place, "agent") == 0
    assert place.rows("SELECT copy_no, lane, agent_id FROM queue ORDER BY copy_no") == [
        (0, Lane.WAITING.value, None),
        (1, Lane.FIRST.value, None),
    ]
    assert sorted(Agent(store).lease()) == [first, second]


def test_an_agent_that_lives_and_renews_is_left_alone(store: Store, place: Place) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    leased = agent.lease()
    other = place.open()
    for minute in range(1, 4):  # the same moment to the machine's clock, however it was set
        assert other.queue.take_over(now_s=NOW_S, clock_s=minute * 59.0) == 0
        assert store.queue.renew_agent(agent.agent_id, until_s=NOW_S + 60 + minute)
    assert agent.relay(leased) == []


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 63e6, -1.8e9])
def test_a_clock_that_jumps_makes_no_agent_late(store: Store, place: Place, jump_s: float) -> None:
    accept(store.writes, outgoing())
    agent, other = Agent(store), place.open()
    leased = agent.lease()
    assert other.queue.take_over(now_s=NOW_S, clock_s=0) == 0
    assert other.queue.take_over(now_s=NOW_S + jump_s, clock_s=30) == 0
    assert Agent(other, now_s=NOW_S + jump_s).lease() == []
    assert agent.relay(leased) == []


def test_a_late_agent_is_taken_over_even_if_it_lives(store: Store, place: Place) -> None:
    accept(store.writes, outgoing())
    late = Agent(store)
    leased = late.lease()
    other = place.open()
    assert other.queue.take_over(now_s=NOW_S, clock_s=100.0) == 0
    assert other.queue.take_over(now_s=NOW_S, clock_s=100.0 + LEASE_S - 1) == 0
    assert other.queue.take_over(now_s=NOW_S, clock_s=100.0 + LEASE_S) == 1
    assert other.queue.take_over(now_s=NOW_S, clock_s=100.0 + LEASE_S) == 0
    assert not store.queue.renew_agent(late.agent_id, until_s=NOW_S + 120)
    assert late.relay(leased) == leased


def test_what_a_dead_agent_held_is_due_as_soon_as_another_registers(
    store: Store, other_process: Callable[[], OtherProcess]
) -> None:
    (message_id,) = accept(store.writes, outgoing())
    process = other_process()
    assert process.ask("lease", hop=HOP) == 1
    assert Agent(store).lease() == []
    process.kill()
    assert [ref.message_id for ref in Agent(store).lease()] == [message_id]


def test_more_than_one_slice_is_given_back(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(*(f"{n}@x" for n in range(1_200))))
    agent = Agent(store)
    assert len(agent.lease(limit=1_100)) == 1_100
    assert take_over_late(store) == 1_100
    assert place.rows("SELECT DISTINCT lane FROM queue") == [(Lane.FIRST.value,)]


def test_agents_are_woken_by_what_is_queued_and_by_nothing_else(store: Store, place: Place) -> None:
    agents, long_s = place.open(), place.wakes_within_s
    short_s = min(0.1, long_s)
    assert not is_woken(agents)
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    assert not is_woken(agents, short_s)
    accept(store.writes, outgoing())
    assert is_woken(agents, long_s)
    assert not is_woken(agents, short_s)
    store.queue.wake_agents()
    assert is_woken(agents, long_s)


def test_waking_never_waits_where_nobody_reads(store: Store, place: Place) -> None:
    assert not is_woken(store)
    for _ in range(100):
        store.queue.wake_agents()
    accept(store.writes, outgoing())
    assert is_woken(store, place.wakes_within_s)


def test_due_destinations_come_longest_due_first(store: Store) -> None:
    accept(store.writes, outgoing(hop="b.fr"), outgoing(hop="a.fr", at_s=NOW_S - 10))
    accept(store.writes, outgoing(hop="c.fr", held_for="trop"))
    due = store.queue.due_destinations(now_s=NOW_S, limit=10)
    assert [one.next_hop for one in due] == ["a.fr", "b.fr"]
    assert len(store.queue.due_destinations(now_s=NOW_S, limit=1)) == 1
    assert store.queue.due_destinations(now_s=NOW_S - 1, limit=10)[0].next_due_at_s == NOW_S - 10


def test_a_message_with_local_and_queued_copies_is_one_message(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    local = letter_to(box)
    mixed = replace(local, copies=(*outgoing("a@x").copies, *local.copies))
    (message_id,) = accept(store.writes, mixed)
    assert [ref.copy_no for ref in Agent(store).lease()] == [0]
    assert (count(place, "entry"), count(place, "message")) == (1, 1)
    opened = store.queue.open_queued(message_id)
    assert opened is not None
    assert (opened.head, opened.octets, opened.reader) == (HEAD, BODY, None)


def test_a_filed_body_is_opened_as_a_file(store: Store) -> None:
    spool = store.bodies.open_spool()
    spool.write(BODY)
    (message_id,) = accept(store.writes, replace(outgoing(), body=spool.commit(), smtputf8=True))
    opened = store.queue.open_queued(message_id)
    assert opened is not None
    assert opened.octets is None
    assert read_body(opened, 1_000, 0) == BODY
    assert (opened.size_octets, opened.smtputf8) == (len(HEAD) + len(BODY), True)
    opened.close()


def test_small_messages_are_read_at_one_go(store: Store) -> None:
    small, other = accept(store.writes, outgoing(), outgoing(hop="b.fr"))
    large = replace(outgoing(), body=InlineBody(b"x" * (SMALL_OCTETS + 1)))
    spool = store.bodies.open_spool()
    spool.write(BODY)
    (large_id, filed_id) = accept(store.writes, large, replace(outgoing(), body=spool.commit()))
    never = type(small)(filed_id + 1)
    found = store.queue.read_small([other, large_id, never, filed_id, small])
    assert {one.message_id for one in found} == {small, other}
    assert found[0] == store.queue.open_queued(found[0].message_id)
    assert store.queue.read_small([]) == []


def test_a_message_that_never_was_is_not_opened(store: Store) -> None:
    (message_id,) = accept(store.writes, outgoing())
    assert store.queue.open_queued(type(message_id)(message_id + 1)) is None


def test_next_due_is_the_earliest_of_all(store: Store) -> None:
    assert store.queue.next_due(now_s=NOW_S) is None
    accept(store.writes, outgoing(), outgoing(hop="b.fr"))
    agent = Agent(store)
    agent.settle(*(deferred(ref, NOW_S + 50) for ref in agent.lease()))
    agent.settle(*(deferred(ref, NOW_S + 40) for ref in agent.lease("b.fr")))
    assert store.queue.next_due(now_s=NOW_S) == NOW_S + 40


def test_policies_are_kept_replaced_and_forgotten(store: Store) -> None:
    policy = StsPolicy(
        domain="exemple.fr",
        policy_id="1",
        mode="enforce",
        hosts=("mx.exemple.fr", "*.mx.exemple.fr"),
        max_age_s=86_400,
        fetched_at_s=NOW_S,
    )
    assert store.policies.read_sts_policy("exemple.fr") is None
    store.policies.write_sts_policy(policy)
    newer = replace(policy, policy_id="2", hosts=())
    assert store.policies.read_sts_policy("exemple.fr") == policy
    store.policies.write_sts_policy(newer)
    assert store.policies.read_sts_policy("exemple.fr") == newer
    store.policies.forget_sts_policy("exemple.fr")
    assert store.policies.read_sts_policy("exemple.fr") is None


def test_nobody_settles_for_an_agent_after_it_resigned(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    leased = agent.lease()
    store.queue.resign_agent(agent.agent_id)
    assert settle(store.writes, agent.agent_id, *(deferred(ref, NOW_S) for ref in leased)) == leased
