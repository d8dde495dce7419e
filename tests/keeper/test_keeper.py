"""The keeper decides what to do next; a fake store says what it did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailserver.keeper.clock_watch import ClockWatch
from mailserver.keeper.keeper import (
    BUSY_STEP_S,
    CALM_STEP_S,
    LONG_LOG_S,
    ROUND_S,
    SLICE_PAUSE_S,
    Keeper,
    wait_for_turn,
)
from mailserver.settings.model import MIB
from mailserver.store.ports.people import Life, PersonDoc
from mailserver.store.sqlite.store import SqliteStore
from mailserver.telemetry.log import get_log
from tests.keeper.fakes import FakeStore

LOG = get_log("test")
LEFT_S = 90 * 86_400.0


def keeper(store: FakeStore) -> Keeper:
    return Keeper(
        store,
        watch=ClockWatch(store, log=LOG, boot="one", wall_s=lambda: 1e9),
        log=LOG,
        wal_limit_octets=64 * MIB,
        left_s=LEFT_S,
        quarantine_s=LEFT_S,
    )


def test_lives_whose_date_has_come_take_their_step() -> None:
    jeanne = PersonDoc(
        source_key="1",
        identifier="jmartin",
        given_name="Jeanne",
        surname="Martin",
        addresses=(),
        life=Life.LEAVING,
        life_until_s=1e9,
    )
    store = FakeStore(persons=[jeanne])
    kept = keeper(store)
    assert kept.step(now_s=1e9 - 1, clock_s=0) == CALM_STEP_S
    assert store.persons[0].life is Life.LEAVING
    assert kept.step(now_s=1e9, clock_s=ROUND_S) == SLICE_PAUSE_S
    assert (store.persons[0].life, store.persons[0].life_until_s) == (Life.LEFT, 1e9 + LEFT_S)


def test_a_quiet_store_is_looked_at_once_a_second() -> None:
    store = FakeStore()
    assert keeper(store).step(now_s=0, clock_s=0) == CALM_STEP_S
    assert store.reports == [{"wal_octets": 0.0}]


def test_a_log_that_grows_makes_the_steps_quick() -> None:
    kept = keeper(FakeStore(used_octets=20 * MIB))
    assert kept.step(now_s=0, clock_s=0) == BUSY_STEP_S


def test_slices_follow_each_other_until_one_finds_nothing() -> None:
    store = FakeStore(work=3)
    kept = keeper(store)
    waits = [kept.step(now_s=0, clock_s=clock_s) for clock_s in range(5)]
    assert waits == [SLICE_PAUSE_S, SLICE_PAUSE_S, SLICE_PAUSE_S, CALM_STEP_S, CALM_STEP_S]
    assert store.reclaim_count == 4


def test_slices_of_the_index_follow_each_other_until_it_is_up_to_date() -> None:
    kept = keeper(FakeStore(unindexed=2))
    waits = [kept.step(now_s=0, clock_s=clock_s) for clock_s in range(3)]
    assert waits == [SLICE_PAUSE_S, SLICE_PAUSE_S, CALM_STEP_S]


def test_the_next_round_begins_a_minute_later() -> None:
    store = FakeStore()
    kept = keeper(store)
    for clock_s in (0.0, ROUND_S - 1, ROUND_S):
        kept.step(now_s=0, clock_s=clock_s)
    assert store.reclaim_count == 2


def test_a_store_that_does_not_answer_is_asked_again_later() -> None:
    store = FakeStore(is_down=True)
    kept = keeper(store)
    assert kept.step(now_s=0, clock_s=0) == CALM_STEP_S
    store.is_down = False
    kept.step(now_s=0, clock_s=1)
    assert store.reclaim_count == 1


def test_a_log_that_cannot_be_moved_keeps_nothing_from_being_freed() -> None:
    """On a full disk it is what is freed that lets the log move."""
    store = FakeStore(is_down=True, work=3, unindexed=1)
    kept = keeper(store)
    waits = [kept.step(now_s=0, clock_s=clock_s) for clock_s in range(4)]
    assert waits == [SLICE_PAUSE_S, SLICE_PAUSE_S, SLICE_PAUSE_S, CALM_STEP_S]
    assert store.work == store.unindexed == 0


def test_a_failure_is_told_once_in_a_round() -> None:
    kept = keeper(FakeStore(is_down=True))
    with capture_logs() as logs:
        kept.log = get_log("test")
        for clock_s in (0.0, 1.0, ROUND_S - 1, ROUND_S):
            kept.step(now_s=0, clock_s=clock_s)
    assert [line["error"] for line in logs if "error" in line] == ["busy", "busy"]


def test_a_short_disk_does_not_wait_for_the_next_round() -> None:
    store = FakeStore()
    kept = keeper(store)
    kept.step(now_s=0, clock_s=0)
    store.is_short, store.work = True, 2
    waits = [kept.step(now_s=0, clock_s=clock_s) for clock_s in (1.0, 1.1, 1.2)]
    assert waits == [SLICE_PAUSE_S, SLICE_PAUSE_S, CALM_STEP_S]
    assert store.work == 0


def test_the_reserve_is_looked_at_in_every_step() -> None:
    store = FakeStore()
    kept = keeper(store)
    for clock_s in (0.0, 1.0):
        kept.step(now_s=0, clock_s=clock_s)
    assert store.reserve_count == 2


def test_it_waits_while_another_keeper_lives() -> None:
    store = FakeStore(turns=[False, False, True])
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return True

    wait_for_turn(store, pause, LOG)
    assert len(pauses) == 2


def test_it_can_be_told_to_end_while_it_waits() -> None:
    store = FakeStore(turns=[False])
    wait_for_turn(store, lambda _: False, LOG)
    assert store.turns == []


def test_it_keeps_a_real_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    wait_for_turn(store.locks, lambda _: False, LOG)
    kept = Keeper(
        store,
        watch=ClockWatch(store.clock, log=LOG, boot="one", wall_s=lambda: 1e9),
        log=LOG,
        wal_limit_octets=64 * MIB,
        left_s=LEFT_S,
        quarantine_s=LEFT_S,
    )
    assert kept.step(now_s=1e9, clock_s=0) <= CALM_STEP_S
    assert "keeper.0" in store.counters.read_reports()
    store.close()


def test_only_the_log_is_moved_in_a_statement_that_may_take_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = FakeStore()
    kept = keeper(store)
    told: list[object] = []

    @contextmanager
    def long_statement(seconds: float) -> Iterator[None]:
        told.append(seconds)
        yield
        told.append("over")

    kept.long_statement = long_statement
    kept.beat = lambda: told.append("beat")
    checkpoint = store.checkpoint

    def noted_checkpoint() -> int:
        told.append("log")
        return checkpoint()

    monkeypatch.setattr(store, "checkpoint", noted_checkpoint)
    kept.step(now_s=1e9, clock_s=0)
    assert told == ["beat", "beat", LONG_LOG_S, "log", "over", "beat", "beat", "beat"]
