"""Leasing: who gets what, in which order, and when the rest is due."""

from __future__ import annotations

import pytest

from mailserver.store.ports.queue import CopyRef, Leased
from mailserver.store.ports.store import Store
from mailserver.values.message import Notify
from tests.store.letters import NOW_S, accept
from tests.store.places import Place
from tests.store.queued import HOP, Agent, deferred, outgoing, take_over_late


def test_a_queued_copy_is_due_at_once_and_leased_once(store: Store) -> None:
    (message_id,) = accept(store.writes, outgoing(f"a@{HOP}", f"b@{HOP}"))
    agent = Agent(store)
    assert agent.lease() == [CopyRef(message_id, 0), CopyRef(message_id, 1)]
    assert agent.lease() == []


def test_a_leased_copy_says_what_its_sender_asked_for(store: Store) -> None:
    wanted = Notify.SUCCESS | Notify.FAILURE
    accept(store.writes, outgoing(f"a@{HOP}", notify=wanted, original_recipient="rfc822;A@b"))
    (copy,) = Agent(store).lease_all().copies
    assert (copy.recipient, copy.notify, copy.original_recipient) == (
        f"a@{HOP}",
        wanted,
        "rfc822;A@b",
    )
    assert (copy.attempt_count, copy.accepted_at_s) == (0, NOW_S)


def test_first_tries_go_in_the_order_of_turns(store: Store) -> None:
    late, early = accept(
        store.writes, outgoing(turn_at_s=NOW_S + 900), outgoing(turn_at_s=NOW_S + 1)
    )
    assert Agent(store).lease() == [CopyRef(early, 0), CopyRef(late, 0)]


def test_copies_of_one_message_stand_together(store: Store) -> None:
    mass = outgoing("a@x", "b@x")
    first, second = accept(store.writes, mass, outgoing())
    third = accept(store.writes, outgoing(turn_at_s=NOW_S - 1))[0]
    assert [ref.message_id for ref in Agent(store).lease()] == [third, first, first, second]


def test_each_lane_gives_half_while_both_have_some(store: Store) -> None:
    deferred_ids = accept(store.writes, *(outgoing() for _ in range(6)))
    agent = Agent(store)
    agent.settle(*(deferred(ref, NOW_S) for ref in agent.lease()))
    fresh = accept(store.writes, *(outgoing() for _ in range(6)))
    leased = [ref.message_id for ref in agent.lease(limit=6)]
    assert sorted(leased) == deferred_ids[:3] + fresh[:3]
    assert sorted(ref.message_id for ref in agent.lease()) == deferred_ids[3:] + fresh[3:]


@pytest.mark.parametrize("untried_count", [0, 1, 5])
def test_a_lane_that_has_little_leaves_its_half_to_the_other(
    store: Store, untried_count: int
) -> None:
    accept(store.writes, *(outgoing() for _ in range(6)))
    agent = Agent(store)
    agent.settle(*(deferred(ref, NOW_S) for ref in agent.lease()))
    if untried_count:
        accept(store.writes, *(outgoing() for _ in range(untried_count)))
    assert len(agent.lease(limit=6)) == 6


def test_a_lease_tells_when_the_rest_is_due(store: Store) -> None:
    accept(store.writes, outgoing("a@x", "b@x", "c@x"))
    agent = Agent(store)
    assert agent.lease_all(limit=1).next_due_at_s == NOW_S
    leased = agent.lease_all()
    assert leased.next_due_at_s is None
    agent.settle(deferred(leased.copies[0].ref, NOW_S + 300))
    assert agent.destinations() == {}
    assert store.queue.next_due(now_s=NOW_S) == NOW_S + 300
    agent.now_s = NOW_S + 300
    assert agent.lease() == [leased.copies[0].ref]


def test_an_agent_that_was_given_up_leases_nothing(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (hop,) = agent.destinations().values()
    assert take_over_late(store) == 0
    assert agent.lease_of(hop) == Leased((), None)
    assert not store.queue.renew_agent(agent.agent_id, until_s=NOW_S + 120)


def test_a_lease_of_a_batch_may_stand_beside_anything(store: Store, place: Place) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (hop,) = agent.destinations().values()
    outcomes = store.writes.apply([agent.request(hop), outgoing(), agent.request(hop)])
    assert isinstance(outcomes[0], Leased)
    assert isinstance(outcomes[2], Leased)
    assert (len(outcomes[0].copies), len(outcomes[2].copies)) == (2, 0)
    assert place.rows("SELECT count(*) FROM queue WHERE lane = 2") == [(2,)]
