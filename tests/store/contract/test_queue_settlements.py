"""Settling: each copy in one state, its journey told, its report owed, all or nothing."""

from __future__ import annotations

import pytest

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import CopyOutcome, CopyRef, HopNote, Lane, Settled, Settlement
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted, Failed
from mailserver.values.ids import AgentId, MessageId
from tests.store.letters import NOW_S, accept
from tests.store.places import Place, count
from tests.store.queued import (
    HOP,
    Agent,
    attempt,
    deferred,
    outgoing,
    relayed,
    returned,
    settle,
    take_over_late,
)


def states(place: Place, message_id: MessageId) -> list[CopyState]:
    """Of its copies, in the order of the envelope."""
    rows = place.rows("SELECT state FROM copy WHERE message_id = ? ORDER BY copy_no", (message_id,))
    return [CopyState(row[0]) for row in rows]


def lanes(place: Place) -> list[Lane]:
    return [Lane(row[0]) for row in place.rows("SELECT lane FROM queue ORDER BY 1")]


def test_a_relayed_copy_leaves_the_queue(store: Store, place: Place) -> None:
    (message_id,) = accept(store.writes, outgoing())
    agent = Agent(store)
    assert agent.relay(agent.lease()) == []
    assert states(place, message_id) == [CopyState.RELAYED]
    assert count(place, "queue") == 0
    assert place.rows("SELECT settled_at_s FROM copy") == [(NOW_S,)]
    assert place.rows("SELECT message_id FROM spent") == [(message_id,)]


def test_a_message_is_spent_with_its_last_copy(store: Store, place: Place) -> None:
    accept(store.writes, outgoing("a@x", "b@x"))
    agent = Agent(store)
    first, second = agent.lease()
    agent.relay([first])
    assert count(place, "spent") == 0
    agent.relay([second])
    assert count(place, "spent") == 1


def test_a_deferred_copy_waits_until_it_is_due(store: Store, place: Place) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S + 300))
    assert lanes(place) == [Lane.WAITING]
    assert agent.lease() == []
    agent.now_s = NOW_S + 300
    (copy,) = agent.lease_all().copies
    assert (copy.ref, copy.attempt_count) == (ref, 1)


def test_an_untried_copy_that_is_given_back_keeps_its_turn(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(turn_at_s=NOW_S + 900))
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(CopyOutcome(ref=ref, state=CopyState.QUEUED))
    assert place.rows("SELECT lane, due_at_s FROM queue") == [(Lane.FIRST.value, NOW_S + 900)]
    assert agent.lease() == [ref]


def test_an_attempt_before_another_way_is_a_line_and_no_try_of_the_schedule(
    store: Store, place: Place
) -> None:
    accept(store.writes, outgoing(turn_at_s=NOW_S + 900))
    agent = Agent(store)
    (ref,) = agent.lease()
    tried = attempt("4.4.1", "connecting: no connection")
    agent.settle(CopyOutcome(ref=ref, state=CopyState.QUEUED, attempt=tried))
    assert place.rows("SELECT lane, due_at_s FROM queue") == [(Lane.FIRST.value, NOW_S + 900)]
    assert place.rows("SELECT words FROM attempt") == [("connecting: no connection",)]
    (copy,) = agent.lease_all().copies
    assert (copy.ref, copy.attempt_count) == (ref, 0)


def test_what_other_hosts_said_in_the_same_try_are_lines_before_its_own(
    store: Store, place: Place
) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    before = (attempt("4.2.0", "450 4.2.0 greylisted"), attempt("4.4.1", "no connection"))
    agent.settle(CopyOutcome(ref=ref, state=CopyState.RELAYED, attempt=attempt(), before=before))
    assert place.rows("SELECT number, outcome, words FROM attempt ORDER BY number") == [
        (1, CopyState.QUEUED.value, "450 4.2.0 greylisted"),
        (2, CopyState.QUEUED.value, "no connection"),
        (3, CopyState.RELAYED.value, attempt().words),
    ]


def test_attempts_are_numbered_and_kept_in_the_words_of_the_remote(
    store: Store, place: Place
) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S))
    agent.relay(agent.lease())
    assert place.rows("SELECT number, outcome, status, words FROM attempt ORDER BY number") == [
        (1, CopyState.QUEUED.value, "4.2.0", "451 4.2.0 later"),
        (2, CopyState.RELAYED.value, "2.0.0", "250 ok"),
    ]


def test_what_was_taken_over_is_lost_and_nothing_changes(store: Store, place: Place) -> None:
    accept(store.writes, outgoing("a@x", "b@x"))
    late = Agent(store)
    first, second = late.lease()
    late.relay([first])
    assert take_over_late(store) == 1
    assert late.relay([second]) == [second]
    assert lanes(place) == [Lane.FIRST]
    heir = Agent(store, now_s=NOW_S + 61)
    assert heir.lease() == [second]
    assert late.relay([first, second]) == [first, second]
    assert heir.relay([second]) == []
    assert count(place, "attempt") == 2


def test_one_copy_is_settled_once_in_a_batch(store: Store, place: Place) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    one = Settlement(agent_id=agent.agent_id, outcomes=(relayed(ref),), at_s=NOW_S)
    assert store.writes.apply([one, one]) == [Settled(), Settled((ref,))]
    assert count(place, "attempt") == 1


def test_who_is_no_agent_settles_only_what_nobody_holds(store: Store) -> None:
    accept(store.writes, outgoing("a@x", "b@x"))
    agent = Agent(store)
    (leased,) = agent.lease(limit=1)
    free = CopyRef(leased.message_id, 1)
    lost = settle(store.writes, None, returned(leased), returned(free))
    assert lost == [leased]
    assert agent.lease() == []


def test_telling_changes_neither_lane_nor_turn(store: Store, place: Place) -> None:
    (message_id,) = accept(store.writes, outgoing(turn_at_s=NOW_S + 5))
    told = CopyOutcome(
        ref=CopyRef(message_id, 0),
        state=CopyState.QUEUED,
        tell_at_s=NOW_S + 99,
        owes=ReportKind.DELAYED,
    )
    assert settle(store.writes, None, told) == []
    assert place.rows("SELECT lane, due_at_s, tell_at_s FROM queue") == [(0, NOW_S + 5, NOW_S + 99)]
    assert place.rows("SELECT kind FROM owed_report") == [(ReportKind.DELAYED.value,)]


def test_a_held_copy_is_leased_by_nobody(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(), outgoing(held_for="quarantine"))
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(CopyOutcome(ref=ref, state=CopyState.HELD, reason="trop grand"))
    assert agent.lease() == []
    assert place.rows("SELECT reason FROM queue ORDER BY reason") == [
        ("quarantine",),
        ("trop grand",),
    ]


def test_a_rerouted_copy_is_due_at_its_new_hop(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(
        CopyOutcome(ref=ref, state=CopyState.QUEUED, due_at_s=NOW_S, destination="relais.fr")
    )
    assert agent.lease() == []
    assert agent.lease("relais.fr") == [ref]


def test_a_return_and_the_report_that_it_owes_are_one_transaction(
    store: Store, place: Place
) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(returned(ref))
    assert states(place, ref.message_id) == [CopyState.RETURNED]
    assert place.rows("SELECT message_id, copy_no, kind, owed_at_s FROM owed_report") == [
        (ref.message_id, 0, ReportKind.FAILED.value, NOW_S)
    ]


def test_an_impossible_outcome_fails_alone(store: Store, place: Place) -> None:
    first, second = accept(store.writes, outgoing(), outgoing())
    agent = Agent(store)
    agent.lease()
    wrong = Settlement(
        agent_id=agent.agent_id,
        outcomes=(CopyOutcome(ref=CopyRef(first, 0), state=CopyState.CANCELLED),),
        at_s=NOW_S,
    )
    right = Settlement(agent_id=agent.agent_id, outcomes=(relayed(CopyRef(second, 0)),), at_s=NOW_S)
    outcomes = store.writes.apply([wrong, right, outgoing()])
    assert [type(outcome) for outcome in outcomes] == [Failed, Settled, Accepted]
    assert states(place, first) == [CopyState.QUEUED]
    assert states(place, second) == [CopyState.RELAYED]


@pytest.mark.parametrize("size", [1, 127, 300])
def test_any_number_of_copies_settles_at_once(store: Store, place: Place, size: int) -> None:
    accept(store.writes, outgoing(*(f"{n}@{HOP}" for n in range(size))))
    agent = Agent(store)
    leased = agent.lease(limit=size)
    assert len(leased) == size
    assert agent.relay(leased) == []
    assert count(place, "attempt") == size
    assert (count(place, "queue"), count(place, "spent")) == (0, 1)


def test_a_hop_that_fails_is_not_due_until_its_pause_is_over(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (hop,) = agent.destinations().values()
    failing = HopNote(
        destination_id=hop,
        not_before_s=NOW_S + 300,
        failure_count=1,
        error="connection refused",
        at_s=NOW_S,
    )
    assert store.writes.apply([failing]) == [Settled()]
    assert agent.destinations() == {}
    assert store.queue.next_due(now_s=NOW_S) == NOW_S + 300
    agent.now_s = NOW_S + 300
    (due,) = store.queue.due_destinations(now_s=agent.now_s, limit=10)
    assert due.failure_count == 1


def test_settling_for_an_agent_that_never_was_changes_nothing(store: Store) -> None:
    (message_id,) = accept(store.writes, outgoing())
    ref = CopyRef(message_id, 0)
    assert settle(store.writes, AgentId(77), relayed(ref)) == [ref]
