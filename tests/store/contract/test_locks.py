"""Locks: what one process holds, nobody else has; and it goes with its holder."""

from __future__ import annotations

import gc
from collections.abc import Callable

from mailserver.store.ports.store import Store
from tests.store.child import OtherProcess
from tests.store.letters import people, uids_of
from tests.store.places import Place

Start = Callable[[], OtherProcess]


def test_a_lock_is_exclusive_in_one_process(store: Store, place: Place) -> None:
    box, neighbour = people(store, 2)
    lock = store.locks.lock_maildrop(box)
    assert lock is not None
    assert store.locks.lock_maildrop(box) is None
    assert place.open().locks.lock_maildrop(box) is None
    assert store.locks.lock_maildrop(neighbour) is not None
    lock.release()
    lock.release()
    again = place.open().locks.lock_maildrop(box)
    assert again is not None
    lock.release()  # once more, and it is no longer ours to release
    assert store.locks.lock_maildrop(box) is None


def test_a_lock_that_nobody_holds_on_to_is_free(store: Store) -> None:
    (box,) = people(store, 1)
    lock = store.locks.lock_maildrop(box)
    assert store.locks.lock_maildrop(box) is None
    del lock
    gc.collect()
    assert store.locks.lock_maildrop(box) is not None


def test_a_lock_is_exclusive_across_processes(store: Store, other_process: Start) -> None:
    (box,) = people(store, 1)
    one, two = other_process(), other_process()
    assert one.ask("lock", mailbox_id=box) is True
    assert two.ask("lock", mailbox_id=box) is False
    assert store.locks.lock_maildrop(box) is None
    assert uids_of(store, box) == []  # reading needs no lock


def test_a_lock_dies_with_its_process(store: Store, other_process: Start) -> None:
    (box,) = people(store, 1)
    child = other_process()
    assert child.ask("lock", mailbox_id=box) is True
    child.kill()
    assert store.locks.lock_maildrop(box) is not None


def test_locks_of_one_process_outlive_the_death_of_another(
    store: Store, other_process: Start
) -> None:
    (box,) = people(store, 1)
    lock = store.locks.lock_maildrop(box)
    child = other_process()
    assert child.ask("lock", mailbox_id=box) is False
    child.kill()
    assert store.locks.lock_maildrop(box) is None
    assert lock is not None


def test_one_process_keeps_house(store: Store, other_process: Start) -> None:
    child = other_process()
    assert child.ask("become_keeper") is True
    assert child.ask("become_keeper") is True
    assert store.locks.become_keeper() is False
    child.kill()
    assert store.locks.become_keeper() is True


def test_a_slot_is_one_agents_until_it_leaves(store: Store, place: Place) -> None:
    slots, others = store.locks.slots, place.open().locks.slots
    first, second = slots.take(), slots.take()
    third = others.take()
    assert len({first, second, third}) == 3
    assert not any(slots.is_free(slot) for slot in (first, second, third))
    assert not any(others.is_free(slot) for slot in (first, second, third))
    slots.leave(first)
    slots.leave(first)
    assert others.is_free(first)
    assert slots.is_free(first)
    assert others.take() == first


def test_to_ask_whether_a_slot_is_free_takes_nothing(store: Store, place: Place) -> None:
    slots = store.locks.slots
    slot = slots.take()
    slots.leave(slot)
    others = place.open().locks.slots
    assert all(one.is_free(slot) for one in (slots, others, slots, others))
    assert slots.take() == slot


def test_a_slot_dies_with_its_process(store: Store, other_process: Start) -> None:
    child = other_process()
    slot = child.ask("take_slot")
    assert not store.locks.slots.is_free(slot)
    child.kill()
    assert store.locks.slots.is_free(slot)


def test_slots_and_the_keepers_turn_are_given_up_with_the_store(store: Store, place: Place) -> None:
    other = place.open()
    slot = other.locks.slots.take()
    assert other.locks.become_keeper()
    other.close()
    assert store.locks.slots.is_free(slot)
    assert store.locks.become_keeper()
