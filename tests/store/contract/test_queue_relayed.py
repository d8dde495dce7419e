"""Settling what one answer took, by ranges: the same as copy by copy, and only what is held."""

from __future__ import annotations

import pytest

from mailserver.queue.copies import CopyState
from mailserver.store.ports import Store
from mailserver.store.queueing import CopyRef, Relayed, Settled, Settlement
from mailserver.values.ids import AgentId, MessageId
from tests.store.letters import NOW_S, accept
from tests.store.places import Place, count
from tests.store.queued import Agent, attempt, deferred, outgoing

FOUR = tuple(f"{name}@x" for name in "abcd")


def relay(
    store: Store, agent_id: AgentId, message_id: MessageId, first_no: int, last_no: int
) -> object:
    run = Relayed(
        message_id=message_id, first_no=first_no, last_no=last_no, attempt=attempt(words="250 ok")
    )
    settlement = Settlement(agent_id=agent_id, outcomes=(), at_s=NOW_S + 5, relayed=(run,))
    return store.apply([settlement])[0]


def state_of(place: Place) -> list[tuple[object, ...]]:
    """(state, when) of each copy."""
    return place.rows("SELECT state, settled_at_s FROM copy ORDER BY message_id, copy_no")


@pytest.mark.parametrize("recipients", [FOUR[:1], FOUR], ids=["one copy", "four copies"])
def test_a_range_leaves_the_queue_with_an_attempt_for_each_copy(
    store: Store, place: Place, recipients: tuple[str, ...]
) -> None:
    (message_id,) = accept(store, outgoing(*recipients))
    agent = Agent(store)
    first, *_, last = agent.lease() * 2
    assert relay(store, agent.agent_id, message_id, first.copy_no, last.copy_no) == Settled()
    size = len(recipients)
    assert state_of(place) == [(CopyState.RELAYED.value, NOW_S + 5)] * size
    noted = place.rows("SELECT number, outcome, status, words FROM attempt")
    assert noted == [(1, CopyState.RELAYED.value, "2.0.0", "250 ok")] * size
    assert count(place, "queue") == 0
    assert place.rows("SELECT message_id FROM spent") == [(message_id,)]


def test_of_a_range_that_others_hold_in_part_only_the_rest_is_settled(
    store: Store, place: Place
) -> None:
    (message_id,) = accept(store, outgoing(*FOUR))
    agent = Agent(store)
    refs = agent.lease()
    agent.settle(deferred(refs[1], NOW_S + 300))
    lost = relay(store, agent.agent_id, message_id, refs[0].copy_no, refs[-1].copy_no)
    assert lost == Settled((refs[1],))
    assert [state for state, _ in state_of(place)] == [
        CopyState.RELAYED.value, CopyState.QUEUED.value,
        CopyState.RELAYED.value, CopyState.RELAYED.value,
    ]  # fmt: skip
    assert count(place, "queue") == 1
    assert count(place, "spent") == 0
    assert count(place, "attempt") == 4  # its deferral was one of them


@pytest.mark.parametrize("recipients", [FOUR[:1], FOUR], ids=["one copy", "four copies"])
def test_nothing_changes_for_an_agent_that_holds_nothing(
    store: Store, place: Place, recipients: tuple[str, ...]
) -> None:
    (message_id,) = accept(store, outgoing(*recipients))
    refs = Agent(store).lease()
    stranger = Agent(store)
    lost = relay(store, stranger.agent_id, message_id, refs[0].copy_no, refs[-1].copy_no)
    assert lost == Settled(tuple(CopyRef(message_id, ref.copy_no) for ref in refs))
    assert {state for state, _ in state_of(place)} == {CopyState.QUEUED.value}
    assert count(place, "attempt") == 0
    assert count(place, "queue") == len(refs)


@pytest.mark.parametrize("recipients", [FOUR[:1], FOUR], ids=["one copy", "four copies"])
def test_attempts_of_a_range_are_numbered_behind_those_before(
    store: Store, place: Place, recipients: tuple[str, ...]
) -> None:
    (message_id,) = accept(store, outgoing(*recipients))
    agent = Agent(store)
    refs = agent.lease()
    agent.settle(deferred(refs[0], NOW_S + 300))
    agent.now_s = NOW_S + 300
    again = agent.lease()
    assert again == refs[:1]
    assert relay(store, agent.agent_id, message_id, refs[0].copy_no, refs[-1].copy_no) == Settled()
    numbers = place.rows("SELECT number FROM attempt WHERE copy_no = ?", (refs[0].copy_no,))
    assert numbers == [(1,), (2,)]
