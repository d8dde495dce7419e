"""Keeping house beside a queue: nothing goes that is queued or owed, everything else does."""

from __future__ import annotations

from dataclasses import replace

from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import HopNote, ReportMade
from mailserver.store.ports.store import Store
from tests.store.letters import BODY, NOW_S, accept, letter_to, people, remove
from tests.store.places import Place, count
from tests.store.queued import HOP, Agent, one, outgoing, returned

LATER_S = NOW_S + 10_000_000.0


def clean(store: Store) -> None:
    """Round after round until nothing is left to do."""
    while True:
        reclaimed = store.upkeep.reclaim(now_s=LATER_S)
        if not store.upkeep.expire_history(now_s=LATER_S) and not reclaimed.message_count:
            return


def test_a_body_is_freed_once_its_last_copy_was_relayed(store: Store, place: Place) -> None:
    (message_id,) = accept(store.writes, outgoing("a@x", "b@x"))
    agent = Agent(store)
    first, second = agent.lease()
    agent.relay([first])
    assert store.upkeep.reclaim(now_s=LATER_S).message_count == 0
    assert store.queue.open_queued(message_id) is not None
    agent.relay([second])
    assert store.upkeep.reclaim(now_s=LATER_S).message_count == 1
    assert store.queue.open_queued(message_id) is None
    assert (count(place, "spent"), count(place, "copy")) == (0, 2)


def test_a_filed_body_is_unlinked_after_its_last_copy(store: Store) -> None:
    spool = store.bodies.open_spool()
    spool.write(BODY)
    accept(store.writes, replace(outgoing(), body=spool.commit()))
    agent = Agent(store)
    agent.relay(agent.lease())
    assert store.upkeep.reclaim(now_s=LATER_S).file_count == 1


def test_a_body_stays_while_a_report_of_it_is_owed(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    (message_id,) = accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(returned(ref))
    clean(store)
    assert store.queue.open_queued(message_id) is not None
    assert (count(place, "copy"), count(place, "attempt"), count(place, "spent")) == (1, 1, 1)
    one(store.writes, ReportMade(acceptance=letter_to(box), cleared=((ref, ReportKind.FAILED),)))
    clean(store)
    assert store.queue.open_queued(message_id) is None
    assert (count(place, "attempt"), count(place, "spent")) == (0, 0)


def test_a_body_stays_while_a_mailbox_shows_it_and_goes_with_it(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    local = letter_to(box)
    (message_id,) = accept(store.writes, replace(local, copies=(*local.copies, *outgoing().copies)))
    agent = Agent(store)
    agent.relay(agent.lease())
    clean(store)
    assert (store.queue.open_queued(message_id) is not None, count(place, "spent")) == (True, 0)
    remove(store.writes, box, [1])
    clean(store)
    assert (store.queue.open_queued(message_id), count(place, "message")) == (None, 0)


def test_what_is_queued_never_expires(store: Store, place: Place) -> None:
    accept(store.writes, outgoing("a@x"), outgoing(held_for="trop"), outgoing("c@x"))
    agent = Agent(store)
    agent.relay(agent.lease(limit=1))
    agent.lease(limit=1)
    clean(store)
    assert (count(place, "queue"), count(place, "copy"), count(place, "message")) == (2, 2, 2)
    assert count(place, "destination") == 1


def test_destinations_that_say_nothing_are_forgotten(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(hop="loin.fr"), outgoing())
    agent = Agent(store)
    failing = agent.destinations()["loin.fr"]
    agent.relay([*agent.lease(), *agent.lease("loin.fr")])
    store.queue.suspend("suspendu.fr", until_s=None, now_s=NOW_S)
    note = HopNote(
        destination_id=failing, not_before_s=0.0, failure_count=3, error="non", at_s=LATER_S
    )
    store.writes.apply([note])
    clean(store)
    assert place.rows("SELECT next_hop FROM destination ORDER BY 1") == [
        ("loin.fr",),
        ("suspendu.fr",),
    ]
    accept(store.writes, outgoing())
    assert len(agent.lease(HOP)) == 1
