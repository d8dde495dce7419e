"""The keeper watches the machine's clock, ends nothing by one that jumped, and mends moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailserver.keeper.clock_watch import ClockWatch
from mailserver.keeper.keeper import Keeper
from mailserver.settings.model import MIB
from mailserver.store.clock import ServiceClock, boot_name
from mailserver.store.sqlite.store import DAY_S, SqliteStore
from mailserver.telemetry.log import get_log
from mailserver.values.clock import STANDS_S
from tests.store.letters import accept, fetch, letter_to, people, remove
from tests.store.queued import Agent, outgoing
from tests.store.template import put_new_store

LOG = get_log("test")
NOW_S = 1_790_000_000.0
YEAR_S = 365 * DAY_S


@dataclass
class House:
    """A keeper over a real store, with two clocks; one of them may be set."""

    store: SqliteStore
    now_s: float = NOW_S
    clock_s: float = 100.0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The keeper, or the next one."""
        self.keeper = Keeper(
            self.store,
            watch=ClockWatch(
                self.store.clock, log=LOG, boot=boot_name(), wall_s=lambda: self.now_s
            ),
            log=LOG,
            wal_limit_octets=64 * MIB,
            left_s=90 * DAY_S,
            quarantine_s=5 * YEAR_S,
        )
        self.run(1)

    def run(self, seconds: float, *, every_s: float = 60.0) -> None:
        """Steps until nothing is left of a round, and so on."""
        end_s = self.clock_s + seconds
        while self.clock_s < end_s:
            self.clock_s += min(every_s, end_s - self.clock_s)
            self.now_s += 0 if seconds == 1 else every_s
            for _ in range(300):
                self.keeper.step(now_s=self.now_s, clock_s=self.clock_s)

    def ends_s(self) -> float:
        clock = ServiceClock(
            self.store.clock, wall_s=lambda: self.now_s, steady_s=lambda: self.clock_s
        )
        return clock.ends_s()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    store = SqliteStore(put_new_store(tmp_path / "store"), keep_removed_s=7 * DAY_S)
    yield House(store)
    store.close()


def test_nothing_is_reclaimed_or_forgotten_while_the_clock_is_two_years_ahead(
    house: House,
) -> None:
    (box,) = people(house.store, 1)
    accept(house.store.writes, letter_to(box))
    remove(house.store.writes, box, [1])
    accept(house.store.writes, outgoing(at_s=house.now_s))
    agent = Agent(house.store, now_s=house.now_s)
    agent.relay(agent.lease())
    with house.store._engine.write_turn(), house.store._engine.transaction() as connection:
        connection.execute("UPDATE entry SET removed_at_s = ?", (house.now_s,))
        connection.execute("UPDATE message SET accepted_at_s = ?", (house.now_s,))
    house.now_s += 2 * YEAR_S
    house.run(3600)
    (entries,) = house.store._engine.read("SELECT count(*) FROM entry")[0]
    (copies,) = house.store._engine.read("SELECT count(*) FROM copy")[0]
    assert (entries, copies) == (1, 2)
    assert house.ends_s() < NOW_S + DAY_S
    house.now_s -= 2 * YEAR_S
    house.run(60)
    assert house.ends_s() == house.now_s
    assert fetch(house.store, box, 1) is not None  # hidden from listings, and still there


def test_what_has_stood_for_a_day_ends_what_is_due(house: House) -> None:
    (box,) = people(house.store, 1)
    accept(house.store.writes, letter_to(box))
    remove(house.store.writes, box, [1])
    with house.store._engine.write_turn(), house.store._engine.transaction() as connection:
        connection.execute("UPDATE entry SET removed_at_s = ?", (house.now_s,))
    house.now_s += 30 * DAY_S
    house.run(STANDS_S + 7200, every_s=3000)
    (entries,) = house.store._engine.read("SELECT count(*) FROM entry")[0]
    assert entries == 0


def test_a_step_back_mends_what_was_written_ahead_and_tells(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.now_s += YEAR_S
    house.run(60)
    accept(house.store.writes, outgoing(at_s=house.now_s))
    house.now_s -= YEAR_S
    house.run(60)
    ((at_s,),) = house.store._engine.read("SELECT accepted_at_s FROM message")
    assert at_s <= house.now_s
    belief = house.store.clock.read_clock()
    assert belief is not None
    assert belief.bounded_count >= 1
    assert belief.step_s == pytest.approx(-YEAR_S)
    # What was on its way to the disk while the clock stepped comes later.
    accept(house.store.writes, outgoing(at_s=house.now_s + YEAR_S))
    house.run(180)
    assert house.store._engine.read("SELECT max(accepted_at_s) FROM message")[0][0] <= house.now_s


def test_the_next_keeper_mends_at_its_start(house: House) -> None:
    accept(house.store.writes, outgoing(at_s=house.now_s + YEAR_S))
    house.begin()
    house.run(60)
    assert house.store._engine.read("SELECT max(accepted_at_s) FROM message")[0][0] <= house.now_s


def test_what_came_while_the_clock_said_1970_is_of_today_once_ntp_has_set_it(
    house: House,
) -> None:
    right_s = house.now_s
    house.now_s = 300.0
    house.run(60)
    accept(house.store.writes, outgoing(at_s=house.now_s, tell_at_s=house.now_s + 5 * DAY_S))
    house.now_s += right_s
    house.run(60)
    ((at_s, tell_at_s),) = house.store._engine.read(
        "SELECT accepted_at_s, tell_at_s FROM message JOIN queue USING (message_id)"
    )
    assert at_s == pytest.approx(house.now_s, abs=200)
    assert tell_at_s == pytest.approx(at_s + 5 * DAY_S)
    assert house.store.queue.overdue(now_s=house.ends_s(), limit=9) == []


def test_nothing_ends_before_what_was_stamped_in_1970_is_mended(house: House) -> None:
    right_s = house.now_s
    house.now_s = 300.0
    house.run(60)
    house.now_s += right_s
    assert house.ends_s() < 1000  # the keeper has not looked yet
    house.run(1)
    assert house.ends_s() > right_s - DAY_S


def test_a_clock_that_is_behind_leaves_what_was_written_before_as_it_is(house: House) -> None:
    accept(house.store.writes, outgoing(at_s=house.now_s))
    at_s = house.now_s
    house.now_s -= 100 * DAY_S
    house.run(60)
    house.begin()
    house.run(300)
    assert house.store._engine.read("SELECT accepted_at_s FROM message") == [(at_s,)]
    house.now_s += 100 * DAY_S
    house.run(60)
    assert house.store._engine.read("SELECT accepted_at_s FROM message") == [(at_s,)]
    house.now_s -= 100 * DAY_S
    house.run(30 * 3600, every_s=3600)  # it is believed: what lies ahead is wrong
    assert house.store._engine.read("SELECT accepted_at_s FROM message")[0][0] <= house.now_s


def test_where_nothing_happens_it_writes_every_ten_minutes(house: House) -> None:
    def written_s() -> float:
        belief = house.store.clock.read_clock()
        assert belief is not None
        return belief.steady_s

    first_s = written_s()
    house.run(540)
    assert written_s() == first_s
    house.run(120)
    assert written_s() > first_s
