"""What is believed of the machine's clock, as both clocks turn."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.clock import BEGINNING_S, STANDS_S, TOLERANCE_S, Belief, Era, Tick, look

NOW_S = 1_790_000_000.0
HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 365 * 86_400.0


@dataclass
class Machine:
    """Two clocks, of which one may be set; and who looks at them every second, or later."""

    wall_s: float = NOW_S
    steady_s: float = 50.0
    boot: str = "first"
    newest: int = 7
    belief: Belief | None = None
    eras: list[Era] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)

    def look(self) -> Tick:
        tick = look(
            self.belief,
            wall_s=self.wall_s,
            steady_s=self.steady_s,
            boot=self.boot,
            newest=self.newest,
        )
        self.belief = tick.belief
        self.eras += [tick.era] if tick.era else []
        self.steps += [tick.step_s] if tick.step_s else []
        return tick

    def run(self, seconds: float, *, every_s: float = 600.0) -> Belief:
        while seconds > 0:
            part_s = min(every_s, seconds)
            self.wall_s += part_s
            self.steady_s += part_s
            seconds -= part_s
            self.look()
        return self.now

    def set(self, by_s: float) -> Belief:
        self.wall_s += by_s
        return self.look().belief

    def reboot(self, down_s: float) -> Belief:
        self.boot += "+"
        self.wall_s += down_s
        self.steady_s = 3.0
        return self.look().belief

    @property
    def now(self) -> Belief:
        assert self.belief is not None
        return self.belief


def running() -> Machine:
    machine = Machine()
    machine.look()
    machine.run(HOUR_S)
    return machine


def test_while_both_clocks_go_together_the_machines_is_believed() -> None:
    machine = running()
    assert (machine.now.believed_s, machine.now.ends_s) == (machine.wall_s, machine.wall_s)
    assert (machine.steps, machine.now.strayed_at_s) == ([], None)


@given(st.lists(st.floats(min_value=-1, max_value=1), max_size=50))
def test_what_ntp_corrects_a_little_is_no_jump(corrections: list[float]) -> None:
    machine = running()
    for by_s in corrections:
        machine.run(60)
        machine.set(by_s)
    assert machine.now.ends_s == machine.wall_s


@pytest.mark.parametrize("jump_s", [HOUR_S, YEAR_S, 2 * YEAR_S])
def test_nothing_ends_early_while_the_clock_is_ahead_and_all_is_well_when_it_is_back(
    jump_s: float,
) -> None:
    machine = running()
    true_s = machine.wall_s
    machine.set(jump_s)
    assert machine.run(5 * HOUR_S).ends_s == pytest.approx(true_s + 5 * HOUR_S)
    assert machine.now.gap_s == pytest.approx(jump_s)
    machine.set(-jump_s)
    assert machine.now.ends_s == machine.wall_s == pytest.approx(true_s + 5 * HOUR_S)
    assert machine.steps == pytest.approx([jump_s, -jump_s])
    assert (machine.now.strayed_at_s, machine.eras) == (None, [])


@pytest.mark.parametrize("jump_s", [-HOUR_S, -YEAR_S, HOUR_S, YEAR_S])
def test_a_jump_that_stands_for_a_day_is_believed(jump_s: float) -> None:
    machine = running()
    machine.set(jump_s)
    assert machine.run(STANDS_S - HOUR_S).believed_s != machine.wall_s
    until_s = machine.now.believed_from_s
    assert until_s is not None
    assert machine.run(2 * HOUR_S).ends_s == machine.wall_s
    assert until_s < machine.wall_s


@pytest.mark.parametrize("jump_s", [-HOUR_S, -YEAR_S, 1 - NOW_S])
def test_what_was_stamped_by_a_clock_that_was_behind_is_told_once_it_is_right(
    jump_s: float,
) -> None:
    machine = running()
    true_s = machine.wall_s
    machine.set(jump_s)
    from_s = machine.wall_s
    machine.newest = 9
    to_s = machine.run(HOUR_S).wall_s
    assert machine.now.ends_s == to_s
    machine.set(-jump_s)
    (era,) = machine.eras
    assert (era.from_s, era.after_id) == (from_s, 7)
    assert era.to_s == pytest.approx(to_s)
    assert era.by_s == pytest.approx(-jump_s)
    assert machine.now.ends_s == machine.wall_s == pytest.approx(true_s + HOUR_S)


def test_a_start_before_ntp_is_noticed_after_another_boot_too() -> None:
    machine = running()
    true_s = machine.wall_s
    machine.reboot(100 - true_s)  # 1970
    machine.run(HOUR_S)
    assert machine.now.ends_s == machine.wall_s
    machine.set(true_s)
    (era,) = machine.eras
    assert era.from_s == 100
    assert era.by_s == pytest.approx(true_s)
    assert era.to_s == pytest.approx(100 + HOUR_S)
    # An hour and a half has passed for all that the service knows: it is not far off.
    assert machine.now.ends_s == pytest.approx(true_s + HOUR_S, abs=200)


def test_a_clock_that_was_behind_and_was_set_while_the_machine_was_off() -> None:
    machine = running()
    true_s = machine.wall_s
    machine.reboot(-YEAR_S)
    machine.run(HOUR_S)
    behind_s = machine.now.gap_s
    machine.reboot(YEAR_S + DAY_S)
    (era,) = machine.eras
    assert era.by_s == pytest.approx(-behind_s)
    assert machine.now.ends_s == pytest.approx(true_s + HOUR_S)


def test_a_new_service_that_starts_in_1970_knows_that_it_is_later() -> None:
    machine = Machine(wall_s=60.0)
    machine.look()
    machine.run(HOUR_S)
    assert machine.now.believed_s == BEGINNING_S + HOUR_S
    machine.set(NOW_S)
    (era,) = machine.eras
    assert (era.from_s, era.by_s) == (60, NOW_S)


def test_a_clock_of_before_there_was_any_service_is_never_believed() -> None:
    machine = Machine(wall_s=60.0)
    machine.look()
    assert machine.run(3 * DAY_S).is_behind
    machine.set(NOW_S)
    assert [(era.from_s, era.by_s) for era in machine.eras] == [(60, NOW_S)]


def test_after_a_time_without_a_service_a_day_passes_before_anything_ends() -> None:
    machine = running()
    stopped_s = machine.wall_s
    machine.reboot(10 * DAY_S)
    assert machine.now.ends_s == stopped_s
    assert machine.steps == []
    assert machine.run(STANDS_S + HOUR_S).ends_s == machine.wall_s


def test_a_service_that_was_stopped_on_the_same_boot_knows_how_long_up_to_an_hour() -> None:
    machine = running()
    machine.run(HOUR_S, every_s=HOUR_S)
    assert machine.now.ends_s == machine.wall_s
    machine.run(5 * HOUR_S, every_s=5 * HOUR_S)
    assert machine.now.ends_s == machine.wall_s - 4 * HOUR_S


def test_corrections_that_add_up_are_believed_after_a_day() -> None:
    machine = running()
    for _hour in range(40):
        machine.run(HOUR_S)
        machine.set(TOLERANCE_S + 5)
    assert machine.now.gap_s <= 25 * (TOLERANCE_S + 5)


def test_another_jump_begins_the_day_anew() -> None:
    machine = running()
    machine.set(HOUR_S)
    machine.run(STANDS_S - HOUR_S)
    machine.set(YEAR_S)
    machine.run(2 * HOUR_S)
    assert machine.now.gap_s == pytest.approx(YEAR_S + HOUR_S)


@given(st.lists(st.tuples(st.floats(-1e8, 1e8), st.floats(0, 20_000), st.booleans()), max_size=30))
def test_ends_are_never_ahead_of_either_clock_and_no_jump_moves_them_ahead(
    turns: list[tuple[float, float, bool]],
) -> None:
    machine = running()
    for by_s, seconds, boots in turns:
        before_s = machine.now.believed_s
        machine.reboot(by_s) if boots else machine.set(by_s)
        assert machine.now.ends_s <= machine.wall_s
        assert machine.now.believed_s <= before_s + TOLERANCE_S
        machine.run(seconds)
        assert machine.now.ends_s <= machine.wall_s
