"""Opening: made and migrated once, by whoever comes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailserver.store.ports.errors import StoreUnavailable
from tests.store.child import OtherProcess
from tests.store.letters import NOW_S, accept, letter_to, people, uids_of
from tests.store.places import Place, count


def test_processes_that_start_together_migrate_once(
    place: Place, other_process: Callable[[], OtherProcess]
) -> None:
    children = [other_process() for _ in range(4)]
    for child in children:
        child.tell("open")
    assert [child.answer() for child in children] == [True] * 4
    numbers = [number for (number,) in place.rows("SELECT number FROM migration ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert count(place, "counter") == 1


def test_opening_again_changes_nothing(place: Place) -> None:
    first = place.open()
    (box,) = people(first, 1)
    accept(first.writes, letter_to(box))
    place.close()
    again = place.open()
    assert uids_of(again, box) == [1]
    assert again.accounts.count_accounts() == 1


def test_a_store_of_a_newer_program_is_left_alone(place: Place) -> None:
    place.open()
    statement = "INSERT INTO migration (number, applied_at_s) VALUES (?, ?)"
    place.write(statement, (999, NOW_S))
    with pytest.raises(StoreUnavailable, match="newer"):
        place.open()


def test_closing_twice_is_harmless(place: Place) -> None:
    store = place.open()
    store.close()
    store.close()
