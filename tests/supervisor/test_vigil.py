"""Who is replaced for silence, and who is let be; the board on which it stands."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from mailserver.supervisor.board import Board, Waits, make_board_memory, slot_names
from mailserver.supervisor.forking.vigil import (
    SILENT_S,
    STOP_LOOK_S,
    Condition,
    StopWatch,
    Vigil,
    VigilVerdict,
    read_condition,
)
from tests.supervisor.service import wait_until


def watch(
    condition: Condition,
    *,
    beat_at_s: float = 5.0,
    looks: int = 40,
    step_s: float = 1.0,
    long_s: float = 0.0,
) -> tuple[VigilVerdict, Waits]:
    """What is decided of a child that beat once, after so many looks."""
    vigil = Vigil()
    verdict, waits = VigilVerdict.WELL, Waits.NOTHING
    for number in range(looks):
        seen = condition if number > 2 else Condition(condition.states, 0.0)
        verdict, waits = vigil.look(
            beat_at_s,
            now_s=number * step_s,
            condition=lambda s=seen: s,  # type: ignore[misc]
            long_s=long_s,
        )
        if verdict is VigilVerdict.REPLACE:
            break
    return verdict, waits


@pytest.mark.parametrize(
    ("states", "cpu_s", "decided"),
    [
        ("T", 0.0, (VigilVerdict.REPLACE, Waits.NOTHING)),
        ("tT", 0.0, (VigilVerdict.REPLACE, Waits.NOTHING)),
        ("S", 0.0, (VigilVerdict.REPLACE, Waits.NOTHING)),
        ("RS", 29.0, (VigilVerdict.REPLACE, Waits.NOTHING)),
        ("RS", 2.0, (VigilVerdict.LET_BE, Waits.PROCESSOR)),
        ("DS", 0.0, (VigilVerdict.LET_BE, Waits.DISK)),
        ("DRS", 29.0, (VigilVerdict.LET_BE, Waits.DISK)),
    ],
)
def test_after_thirty_seconds_of_silence(
    states: str, cpu_s: float, decided: tuple[VigilVerdict, Waits]
) -> None:
    seen = Condition(frozenset(states), cpu_s)
    assert watch(seen, looks=int(SILENT_S)) == (VigilVerdict.WELL, Waits.NOTHING)
    assert watch(seen, looks=int(SILENT_S) + 1) == decided


def test_one_that_does_not_serve_yet_is_replaced_only_when_it_is_stopped() -> None:
    for states, verdict in (
        ("S", VigilVerdict.LET_BE),
        ("R", VigilVerdict.LET_BE),
        ("T", VigilVerdict.REPLACE),
    ):
        assert watch(Condition(frozenset(states), 0.0), beat_at_s=0.0)[0] is verdict


def test_a_watcher_that_slept_itself_blames_nobody() -> None:
    asleep = Condition(frozenset("S"), 0.0)
    assert watch(asleep, looks=10, step_s=3600.0)[0] is VigilVerdict.WELL


def test_one_beat_ends_the_silence() -> None:
    vigil = Vigil()
    stopped = Condition(frozenset("T"), 0.0)
    for second in range(200):
        beat_at_s = float(second - second % 25)
        verdict, _ = vigil.look(beat_at_s, now_s=float(second), condition=lambda: stopped)
        assert verdict is VigilVerdict.WELL


def test_the_condition_of_a_process_is_read_from_the_kernel() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_until(lambda: read_condition(process.pid).states == {"S"})
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: read_condition(process.pid).states == {"T"})
        process.kill()
    assert read_condition(process.pid) == Condition(frozenset(), 0.0)
    assert read_condition(os.getpid()).cpu_s > 0.0


def test_the_board_shows_what_each_process_wrote() -> None:
    names = slot_names([("smtp", 2), ("keeper", 1)])
    assert names == ["smtp parent", "smtp.0", "smtp.1", "keeper parent", "keeper.0"]
    fd = make_board_memory(len(names))
    ours, theirs = Board(fd, names), Board(fd, names)
    os.close(fd)
    seat = ours.seat("smtp.1")
    seat.begin(now_s=10.0)
    seat.fill(77)
    seat.beat(now_s=12.0)
    seat.tell({"connections": 3.0}, now_s=13.0)
    slot = theirs.slots(now_s=15.0)[2]
    assert (slot.name, slot.pid, slot.lived_s, slot.silent_s) == ("smtp.1", 77, 5.0, 3.0)
    assert (slot.report, slot.report_age_s) == ({"connections": 3.0}, 2.0)
    seat.bury(-9, was_replaced=True)
    slot = theirs.slots(now_s=15.0)[2]
    assert (slot.pid, slot.silent_s, slot.death_count, slot.replaced_count) == (0, None, 1, 1)
    assert slot.last_status == -9


def test_a_report_that_is_too_long_for_its_slot_leaves_the_one_before() -> None:
    fd = make_board_memory(1)
    board = Board(fd, ["a.0"])
    os.close(fd)
    board.seat("a.0").tell({"n": 1.0}, now_s=1.0)
    board.seat("a.0").tell({f"counter {n}": 1.0 for n in range(10_000)}, now_s=2.0)
    assert board.slots(now_s=3.0)[0].report == {"n": 1.0}


@pytest.mark.parametrize(
    ("looks", "verdict"), [(590, VigilVerdict.LET_BE), (610, VigilVerdict.REPLACE)]
)
def test_whoever_is_in_a_statement_that_may_take_long_is_given_that_long(
    looks: int, verdict: VigilVerdict
) -> None:
    assert watch(Condition(frozenset("S"), 0.0), looks=looks, long_s=600.0)[0] is verdict


def test_a_stopped_one_is_replaced_also_in_a_long_statement() -> None:
    stopped = Condition(frozenset("T"), 0.0)
    assert watch(stopped, looks=35, long_s=600.0)[0] is VigilVerdict.REPLACE


def test_a_long_statement_stands_on_the_board_while_it_lasts_and_never_for_a_successor() -> None:
    fd = make_board_memory(1)
    seat = Board(fd, ["keeper.0"]).seat("keeper.0")
    os.close(fd)
    seat.be_long(600.0)
    seat.tell({"x": 1.0}, now_s=1.0)
    assert seat.long_s == 600.0
    assert seat.read("keeper.0", now_s=2.0).report == {"x": 1.0}
    seat.begin(now_s=3.0)
    assert seat.long_s == 0.0


def looked(states: str, watcher: StopWatch, *, begin_s: float, seconds: float) -> bool:
    condition, answer = Condition(frozenset(states), 0.0), False
    for number in range(int(seconds / STOP_LOOK_S) + 1):
        answer = watcher.is_to_be_replaced(condition, now_s=begin_s + number * STOP_LOOK_S)
    return answer


def test_who_does_not_beat_is_replaced_once_it_was_stopped_for_30_s() -> None:
    watcher = StopWatch()
    assert not looked("S", watcher, begin_s=0.0, seconds=600.0)
    assert not looked("T", watcher, begin_s=605.0, seconds=20.0)
    assert not looked("S", watcher, begin_s=630.0, seconds=5.0)
    assert not looked("T", watcher, begin_s=640.0, seconds=20.0)
    assert looked("T", watcher, begin_s=665.0, seconds=5.0)


def test_a_machine_that_slept_is_nobody_that_was_stopped() -> None:
    watcher = StopWatch()
    stopped = Condition(frozenset("T"), 0.0)
    assert not watcher.is_to_be_replaced(stopped, now_s=0.0)
    assert not watcher.is_to_be_replaced(stopped, now_s=86_400.0)
