"""What was brought before within an hour: the memory in the scratch, over every engine."""

from __future__ import annotations

import pytest

from mailserver.store.ports.shared.repeats import DAY_S, WINDOW_S, RepeatMemory
from mailserver.store.ports.store import Store
from tests.store.letters import NOW_S

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
def memory(store: Store) -> RepeatMemory:
    return store.counters.repeats


def test_the_first_one_holds_it_for_an_hour(memory: RepeatMemory) -> None:
    assert memory.claim(KEY, "1.0", now_s=NOW_S) == "1.0"
    assert memory.claim(KEY, "2.0", now_s=NOW_S + 60) == "1.0"
    assert memory.claim(KEY, "1.0", now_s=NOW_S + 61) == "1.0"
    assert memory.claim(OTHER, "2.0", now_s=NOW_S + 60) == "2.0"
    assert memory.claim(KEY, "3.0", now_s=NOW_S + WINDOW_S + 1) == "3.0"


def test_it_is_recalled_once_it_was_taken_and_not_after_an_hour(memory: RepeatMemory) -> None:
    assert memory.recall(KEY, now_s=NOW_S) == ""
    memory.take(KEY, "one", now_s=NOW_S)
    assert memory.recall(KEY, now_s=NOW_S + WINDOW_S) == "one"
    assert memory.recall(KEY, now_s=NOW_S + WINDOW_S + 1) == ""
    assert memory.recall(KEY, now_s=NOW_S + DAY_S, window_s=DAY_S) == "one"
    assert memory.recall(KEY, now_s=NOW_S + DAY_S + 1, window_s=DAY_S) == ""
    memory.take(KEY, "two", now_s=NOW_S)
    assert memory.recall(KEY, now_s=NOW_S) == "two"


def test_the_keeper_forgets_what_is_over(store: Store) -> None:
    store.counters.repeats.take(KEY, "one", now_s=NOW_S)
    store.upkeep.expire_history(now_s=NOW_S + DAY_S)
    assert store.counters.repeats.recall(KEY, now_s=NOW_S) == "one"
    store.upkeep.expire_history(now_s=NOW_S + DAY_S + 1)
    assert store.counters.repeats.recall(KEY, now_s=NOW_S) == ""


def test_who_gives_it_back_leaves_it_to_the_next_and_takes_nothing_from_others(
    memory: RepeatMemory,
) -> None:
    memory.claim(KEY, "1.0", now_s=NOW_S)
    memory.release(KEY, "2.0")
    assert memory.claim(KEY, "2.0", now_s=NOW_S) == "1.0"
    memory.release(KEY, "1.0")
    assert memory.claim(KEY, "2.0", now_s=NOW_S) == "2.0"
