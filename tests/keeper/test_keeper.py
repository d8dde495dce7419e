"""The keeper decides what to do next; a fake store says what it did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from mailserver.store.outside import NOBODY_OUTSIDE, Outside
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import Change, Conflict, Life, PersonDoc
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.upkeep import Reclaimed
from mailserver.store.sqlite.store import SqliteStore
from mailserver.telemetry.log import get_log
from mailserver.values.clock import Belief, Era
from mailserver.values.ids import AccountId
from tests.one_object import OneObject

LOG = get_log("test")
LEFT_S = 90 * 86_400.0


@dataclass
class FakeStore(OneObject):
    """Only what the keeper asks for; `work` is how many slices there are to reclaim."""

    used_octets: int = 0
    work: int = 0
    is_down: bool = False
    turns: list[bool] = field(default_factory=lambda: [True])
    reports: list[dict[str, float]] = field(default_factory=list)
    reclaim_count: int = 0
    unindexed: int = 0
    persons: list[PersonDoc] = field(default_factory=list)
    belief: Belief | None = None
    bound_count: int = 0
    out_of_bounds: list[int] = field(default_factory=list)
    eras: list[Era] = field(default_factory=list)
    is_short: bool = False
    reserve_count: int = 0

    def find_outside(self, ours: Collection[str]) -> Outside:
        return NOBODY_OUTSIDE

    def note_served(self, ours: Collection[str], *, principal: str) -> None:
        pass

    def read_clock(self) -> Belief | None:
        return self.belief

    def write_clock(self, belief: Belief) -> None:
        self.belief = belief

    def newest_message(self) -> int:
        return 0

    def bound_moments(
        self, clock: Callable[[], float], *, only_waits: bool = False
    ) -> Iterator[int]:
        self.bound_count += 1
        yield from self.out_of_bounds

    def lift_moments(self, era: Era) -> Iterator[int]:
        self.eras.append(era)
        yield 1

    def become_keeper(self) -> bool:
        return self.turns.pop(0)

    def checkpoint(self) -> int:
        if self.is_down:
            raise StoreUnavailable("busy")
        return self.used_octets

    def log_octets(self) -> int:
        return self.used_octets

    def reclaim(self, *, now_s: float) -> Reclaimed:
        self.reclaim_count += 1
        has_work = self.work > 0
        self.work -= has_work
        return Reclaimed(int(has_work), int(has_work), 0)

    def must_make_room(self) -> bool:
        return self.is_short

    def keep_reserve(self) -> bool:
        self.reserve_count += 1
        return True

    def expire_history(self, *, now_s: float) -> int:
        return 0

    def due_lives(self, *, now_s: float, limit: int) -> list[PersonDoc]:
        return [one for one in self.persons if one.life_until_s and one.life_until_s <= now_s]

    def put(
        self, change: Change, *, by_whom: str, now_s: float, quarantine_s: float
    ) -> Conflict | None:
        assert isinstance(change.before, PersonDoc)
        assert isinstance(change.after, PersonDoc)
        self.persons[self.persons.index(change.before)] = change.after
        return None

    def index_journeys(self) -> int:
        has_work = self.unindexed > 0
        self.unindexed -= has_work
        return int(has_work)

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        assert source == "keeper.0"
        self.reports.append(values)

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        return {}

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        return False

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None:
        raise AssertionError("the keeper signs nobody in")

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        raise AssertionError("the keeper sees nobody")

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]:
        return ()


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
