"""The keeper's fake of a store, held to the store's own contract: each test runs on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from mailserver.keeper.keeper import KeptStore
from mailserver.store.ports.people import Change, Life, PersonDoc
from mailserver.store.ports.store import Store
from mailserver.store.ports.upkeep import Reclaimed
from mailserver.values.clock import Belief
from tests.keeper.fakes import FakeStore
from tests.store.crowd import QUARANTINE_S, made, teacher
from tests.store.letters import NOW_S


@dataclass
class Kept:
    store: KeptStore
    add: Callable[[PersonDoc], None]


def kept_for_good(store: Store) -> Kept:
    return Kept(store, lambda doc: made(store, doc))


def kept_by_the_fake(_store: Store) -> Kept:
    fake = FakeStore()
    return Kept(fake, fake.persons.append)


@pytest.fixture(params=[kept_for_good, kept_by_the_fake])
def kept(request: pytest.FixtureRequest, store: Store) -> Kept:
    found: Kept = request.param(store)
    return found


def test_what_is_believed_of_the_clock_is_kept(kept: Kept) -> None:
    clock = kept.store.clock
    assert clock.read_clock() is None
    belief = Belief(wall_s=NOW_S, steady_s=1.0, boot="b", believed_s=NOW_S)
    for one in (belief, replace(belief, wall_s=NOW_S + 1)):
        clock.write_clock(one)
        assert clock.read_clock() == one
    assert clock.newest_message() == 0
    assert sum(clock.bound_moments(lambda: NOW_S)) == 0


def test_an_empty_store_leaves_nothing_to_do(kept: Kept) -> None:
    upkeep = kept.store.upkeep
    assert upkeep.reclaim(now_s=NOW_S) == Reclaimed(0, 0, 0)
    assert upkeep.expire_history(now_s=NOW_S) == 0
    assert upkeep.index_journeys() == 0
    assert not upkeep.must_make_room()
    assert kept.store.people.find_outside(["d.fr"]).domains == {}
    assert kept.store.locks.become_keeper()


def test_a_life_is_due_from_its_date_on_until_its_step_is_taken(kept: Kept) -> None:
    people = kept.store.people
    leaving = replace(teacher("a", life=Life.LEAVING), life_until_s=NOW_S + 10)
    for doc in (leaving, replace(teacher("b", life=Life.ON_LEAVE), life_until_s=NOW_S + 99)):
        kept.add(doc)
    kept.add(teacher("c"))
    assert people.due_lives(now_s=NOW_S + 9, limit=9) == []
    assert people.due_lives(now_s=NOW_S + 10, limit=9) == [leaving]
    left = replace(leaving, life=Life.LEFT, life_until_s=NOW_S + 500)
    change = Change(before=leaving, after=left)
    said = people.put(change, by_whom="x", now_s=NOW_S + 10, quarantine_s=QUARANTINE_S)
    assert said is None
    assert people.due_lives(now_s=NOW_S + 10, limit=9) == []
    assert len(people.due_lives(now_s=NOW_S + 500, limit=9)) == 2
    assert len(people.due_lives(now_s=NOW_S + 500, limit=1)) == 1
