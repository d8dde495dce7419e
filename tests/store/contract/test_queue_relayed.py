"""Settling what one answer took, by ranges: the same as copy by copy, and only what is held."""

from __future__ import annotations

import pytest

from mailserver.queue.copies import CopyState
from mailserver.store.ports.history import PastAttempt
from mailserver.store.ports.queue import CopyRef, Relayed, Settled, Settlement
from mailserver.store.ports.store import Store
from mailserver.values.ids import AgentId, MessageId
from mailserver.values.message import Acceptance
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
    return store.writes.apply([settlement])[0]


def state_of(place: Place) -> list[tuple[object, ...]]:
    """(state, when) of each copy."""
    return place.rows("SELECT state, settled_at_s FROM copy ORDER BY message_id, copy_no")


def attempts_of(store: Store, letter: Acceptance) -> list[tuple[PastAttempt, ...]]:
    """Of each copy."""
    journey = store.history.journey(letter.accept_id)
    assert journey is not None
    return [copy.attempts for copy in journey.copies]


@pytest.mark.parametrize("recipients", [FOUR[:1], FOUR], ids=["one copy", "four copies"])
def test_a_range_leaves_the_queue_with_one_line_that_is_each_copy_s(
    store: Store, place: Place, recipients: tuple[str, ...]
) -> None:
    letter = outgoing(*recipients)
    (message_id,) = accept(store.writes, letter)
    agent = Agent(store)
    first, *_, last = agent.lease() * 2
    assert relay(store, agent.agent_id, message_id, first.copy_no, last.copy_no) == Settled()
    size = len(recipients)
    assert state_of(place) == [(CopyState.RELAYED.value, NOW_S + 5)] * size
    tried = PastAttempt(attempt=attempt(words="250 ok"), outcome=CopyState.RELAYED)
    assert attempts_of(store, letter) == [(tried,)] * size
    assert count(place, "attempt") == 1
    assert count(place, "queue") == 0
    assert place.rows("SELECT message_id FROM spent") == [(message_id,)]


def test_of_a_range_that_others_hold_in_part_only_the_rest_is_settled(
    store: Store, place: Place
) -> None:
    (message_id,) = accept(store.writes, outgoing(*FOUR))
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
    (message_id,) = accept(store.writes, outgoing(*recipients))
    refs = Agent(store).lease()
    stranger = Agent(store)
    lost = relay(store, stranger.agent_id, message_id, refs[0].copy_no, refs[-1].copy_no)
    assert lost == Settled(tuple(CopyRef(message_id, ref.copy_no) for ref in refs))
    assert {state for state, _ in state_of(place)} == {CopyState.QUEUED.value}
    assert count(place, "attempt") == 0
    assert count(place, "queue") == len(refs)


@pytest.mark.parametrize("recipients", [FOUR[:1], FOUR], ids=["one copy", "four copies"])
def test_the_line_of_a_range_stands_behind_those_before(
    store: Store, recipients: tuple[str, ...]
) -> None:
    letter = outgoing(*recipients)
    (message_id,) = accept(store.writes, letter)
    agent = Agent(store)
    refs = agent.lease()
    agent.settle(*(deferred(ref, NOW_S + 300) for ref in refs[:2]))
    agent.now_s = NOW_S + 300
    assert agent.lease() == refs[:2]
    assert relay(store, agent.agent_id, message_id, refs[0].copy_no, refs[-1].copy_no) == Settled()
    outcomes = [[one.outcome.name for one in tried] for tried in attempts_of(store, letter)]
    assert outcomes == [["QUEUED", "RELAYED"]] * len(refs[:2]) + [["RELAYED"]] * len(refs[2:])
