"""What operators see of the queue, and what they do to it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.operators import Act, Deed, QueueFilter
from mailserver.store.ports.queue import CopyRef, HopNote, Lane
from mailserver.store.ports.store import Store
from mailserver.store.sql.queue import search as queue_search
from mailserver.values.message import Notify
from tests.store.letters import NOW_S, accept, person
from tests.store.places import Place, count
from tests.store.queued import HOP, Agent, deferred, outgoing, relayed, returned

ALL = QueueFilter()


def deed(act: Act, *, next_hop: str = "", at_s: float = NOW_S) -> Deed:
    return Deed(act=act, by="root", reason="essai", at_s=at_s, next_hop=next_hop)


def matching(store: Store, which: QueueFilter = ALL) -> list[CopyRef]:
    found = [copy.ref for copy in store.queue.list_queue(which, after=None, limit=100)]
    assert store.queue.count_queue(which) == len(found)
    return found


def lanes(store: Store) -> list[Lane]:
    return [copy.lane for copy in store.queue.list_queue(ALL, after=None, limit=100)]


def test_the_queue_is_listed_in_order_a_page_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_search, "WINDOW", 3)
    accept(store.writes, *(outgoing("a@x", "b@x") for _ in range(5)))
    refs: list[CopyRef] = []
    while page := store.queue.list_queue(ALL, after=refs[-1] if refs else None, limit=4):
        refs += [copy.ref for copy in page]
    assert len(refs) == 10
    assert refs == sorted(refs)
    assert store.queue.count_queue(ALL) == 10


def test_each_filter_finds_its_own(store: Store) -> None:
    here = replace(
        outgoing("Élodie.Petit@École.fr", reverse_path="Jean.PETIT@ac-exemple.fr"),
        account_id=person(store, "jpetit").account_id,
    )
    first, second = accept(store.writes, here, outgoing("b@x", hop="relais.fr", held_for="trop"))
    mine, other = [CopyRef(first, 0)], [CopyRef(second, 0)]
    assert matching(store) == mine + other
    assert matching(store, QueueFilter(accept_id=here.accept_id)) == mine
    assert matching(store, QueueFilter(accept_id=here.accept_id, copy_no=1)) == []
    assert matching(store, QueueFilter(account_id=here.account_id)) == mine
    assert matching(store, QueueFilter(recipient="elodie.petit@xn--cole-9oa.fr")) == mine
    assert matching(store, QueueFilter(domain="ÉCOLE.fr.")) == mine
    assert matching(store, QueueFilter(sender="jean.petit@AC-exemple.fr", domain="x")) == other
    assert matching(store, QueueFilter(next_hop="relais.fr")) == other
    assert matching(store, QueueFilter(lane=Lane.HELD)) == other
    assert matching(store, QueueFilter(lane=Lane.FIRST, next_hop="relais.fr")) == []


def test_a_listed_copy_says_what_became_of_it_last(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S + 300))
    (copy,) = store.queue.list_queue(ALL, after=None, limit=1)
    assert (copy.lane, copy.due_at_s, copy.attempt_count) == (Lane.WAITING, NOW_S + 300, 1)
    assert (copy.last_status, copy.last_words) == ("4.2.0", "451 4.2.0 later")
    assert copy.size_octets > 0


def test_hold_and_release(store: Store, place: Place) -> None:
    (message_id,) = accept(store.writes, outgoing(tell_at_s=NOW_S + 10))
    ref = CopyRef(message_id, 0)
    assert store.queue.act_on([ref], deed(Act.HOLD)) == [ref]
    assert store.queue.act_on([ref], deed(Act.HOLD)) == []
    (copy,) = store.queue.list_queue(ALL, after=None, limit=1)
    assert (copy.lane, copy.reason, copy.last_words) == (Lane.HELD, "essai", "hold by root: essai")
    assert Agent(store).lease() == []
    assert store.queue.overdue(now_s=NOW_S + 11, limit=10) == []
    assert store.queue.act_on([ref], deed(Act.RELEASE, at_s=NOW_S + 11)) == [ref]
    # It is tried for a while before it may be returned.
    assert store.queue.overdue(now_s=NOW_S + 11, limit=10) == []
    assert Agent(store, now_s=NOW_S + 11).lease() == [ref]
    assert place.rows("SELECT number, outcome FROM attempt") == [
        (1, CopyState.HELD.value),
        (2, CopyState.QUEUED.value),
    ]


def test_retry_makes_the_copy_and_its_hop_due(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (hop,) = agent.destinations().values()
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S + 3000))
    store.writes.apply(
        [
            HopNote(
                destination_id=hop,
                not_before_s=NOW_S + 900,
                failure_count=2,
                error="refused",
                at_s=NOW_S,
            )
        ]
    )
    assert agent.destinations() == {}
    assert store.queue.act_on([ref], deed(Act.RETRY)) == [ref]
    (copy,) = agent.lease_all().copies
    assert (copy.ref, copy.attempt_count) == (ref, 1)  # a note is no attempt


def test_reroute_moves_it_to_another_hop(store: Store) -> None:
    queued, held = accept(store.writes, outgoing(), outgoing(held_for="trop"))
    refs = [CopyRef(queued, 0), CopyRef(held, 0)]
    assert store.queue.act_on(refs, deed(Act.REROUTE, next_hop="relais.fr")) == refs
    assert matching(store, QueueFilter(next_hop="relais.fr")) == refs
    agent = Agent(store)
    assert agent.lease() == []
    assert agent.lease("relais.fr") == refs[:1]
    assert sorted(lanes(store)) == [Lane.LEASED, Lane.HELD]


def test_return_owes_a_report_where_the_sender_may_be_told(store: Store, place: Place) -> None:
    ids = accept(
        store.writes,
        outgoing(),
        outgoing(notify=Notify.NEVER),
        outgoing(reverse_path=""),
        outgoing(held_for="trop"),
    )
    refs = [CopyRef(message_id, 0) for message_id in ids]
    assert store.queue.act_on(refs, deed(Act.RETURN)) == refs
    assert place.rows("SELECT DISTINCT state FROM copy") == [(CopyState.RETURNED.value,)]
    owed = store.queue.owed_reports(limit=10)
    assert [report.message_id for report in owed] == [ids[0], ids[3]]
    (line,) = owed[0].copies
    assert line.attempt is not None
    assert (line.attempt.status, line.attempt.words) == ("5.0.0", "return by root: essai")
    assert count(place, "spent") == 4


def test_cancel_tells_nobody(store: Store, place: Place) -> None:
    (message_id,) = accept(store.writes, outgoing())
    assert store.queue.act_on([CopyRef(message_id, 0)], deed(Act.CANCEL)) == [
        CopyRef(message_id, 0)
    ]
    assert store.queue.owed_reports(limit=10) == []
    assert place.rows("SELECT state FROM copy") == [(CopyState.CANCELLED.value,)]
    assert matching(store) == []


@pytest.mark.parametrize("act", list(Act))
def test_what_an_agent_holds_is_left_alone(store: Store, place: Place, act: Act) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    leased = agent.lease()
    assert store.queue.act_on(leased, deed(act, next_hop="relais.fr")) == []
    assert count(place, "attempt") == 0
    assert agent.relay(leased) == []


def test_destinations_say_what_waits_and_why(store: Store) -> None:
    accept(store.writes, outgoing("a@x", "b@x", "c@x"), outgoing(held_for="trop"))
    agent = Agent(store)
    (hop,) = agent.destinations().values()
    (ref,) = agent.lease(limit=1)
    agent.settle(deferred(ref, NOW_S + 300))
    agent.lease(limit=1)
    store.writes.apply(
        [HopNote(destination_id=hop, not_before_s=9.0, failure_count=1, error="non", at_s=NOW_S)]
    )
    (state,) = store.queue.list_destinations()
    assert (state.next_hop, state.failure_count, state.last_error) == (HOP, 1, "non")
    assert (state.first_count, state.waiting_count, state.leased_count, state.held_count) == (
        1,
        1,
        1,
        1,
    )


def test_a_suspended_hop_is_tried_by_nobody_until_it_is_resumed(store: Store) -> None:
    store.queue.suspend(HOP, until_s=None, now_s=NOW_S)
    (message_id,) = accept(store.writes, outgoing())
    agent = Agent(store)
    assert agent.destinations() == {}
    assert store.queue.next_due(now_s=NOW_S) is None
    assert store.queue.list_destinations()[0].suspended_until_s == math.inf
    assert store.queue.resume(HOP)
    assert not store.queue.resume(HOP)
    assert agent.lease() == [CopyRef(message_id, 0)]


def test_a_suspension_ends_by_itself(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (hop,) = agent.destinations().values()
    store.queue.suspend(HOP, until_s=NOW_S + 60, now_s=NOW_S)
    assert agent.lease_of(hop).copies == ()
    assert store.queue.next_due(now_s=NOW_S) == NOW_S + 60
    agent.now_s = NOW_S + 60
    assert len(agent.lease()) == 1


def test_a_return_by_a_person_and_one_by_an_agent_owe_the_same(store: Store) -> None:
    accept(store.writes, outgoing("a@x", "b@x"))
    agent = Agent(store)
    (ref,) = agent.lease(limit=1)
    agent.settle(returned(ref))
    store.queue.act_on([CopyRef(ref.message_id, 1)], deed(Act.RETURN))
    (report,) = store.queue.owed_reports(limit=10)
    assert report.kind is ReportKind.FAILED
    assert [line.ref.copy_no for line in report.copies] == [0, 1]
    assert agent.settle(relayed(ref)) == [ref]
