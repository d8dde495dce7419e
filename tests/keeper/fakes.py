"""A store as the keeper sees it, without a disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from mailserver.store.outside import NOBODY_OUTSIDE, Outside
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import Change, Conflict, PersonDoc
from mailserver.store.ports.upkeep import Reclaimed
from mailserver.values.clock import Belief, Era
from tests.one_object import OneObject


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
        due = [one for one in self.persons if one.life_until_s and one.life_until_s <= now_s]
        return due[:limit]

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
