"""What a worker does again and again: at its times, whatever fails, until it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from mailserver.supervisor.upkeep import Timer, Upkeep


@dataclass(eq=False)
class Loop:
    """Turned by hand."""

    now_s: float = 0.0
    calls: list[tuple[float, Call]] = field(default_factory=list)

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        call = Call(act, self)
        self.calls.append((self.now_s + seconds, call))
        return call

    def run_until(self, now_s: float) -> None:
        while due := [one for one in self.calls if one[0] <= now_s]:
            first = min(due, key=lambda one: one[0])
            self.calls.remove(first)
            self.now_s = first[0]
            first[1].act()
        self.now_s = now_s


@dataclass(eq=False)
class Call:
    act: Callable[[], None]
    loop: Loop

    def cancel(self) -> None:
        self.loop.calls = [one for one in self.loop.calls if one[1] is not self]


class Log:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, event: str, **_: Any) -> None:
        self.errors.append(event)


def upkeep(loop: Loop, log: Log | None = None) -> Upkeep:
    return Upkeep(loop.call_later, log=cast("Any", log or Log()), whose="the worker")


def test_each_act_comes_in_its_own_time() -> None:
    loop, told = Loop(), list[tuple[str, float]]()
    kept = upkeep(loop)
    kept.every(1, lambda: told.append(("beat", loop.now_s)))
    kept.every(2.5, lambda: told.append(("report", loop.now_s)))
    assert not told
    loop.run_until(5)
    assert [at_s for what, at_s in told if what == "beat"] == [1, 2, 3, 4, 5]
    assert [at_s for what, at_s in told if what == "report"] == [2.5, 5]


def test_what_fails_is_logged_and_done_again() -> None:
    loop, log = Loop(), Log()

    def fail() -> None:
        raise OSError("no room")

    upkeep(loop, log).every(1, fail)
    loop.run_until(2)
    assert log.errors == ["upkeep of the worker failed"] * 2


def test_nothing_is_done_once_it_is_stopped() -> None:
    loop, told = Loop(), list[float]()
    kept = upkeep(loop)
    kept.every(1, lambda: told.append(loop.now_s))
    kept.every(1, kept.stop)
    loop.run_until(9)
    assert told == [1]
    assert not loop.calls


def test_an_act_that_stops_the_upkeep_is_its_last() -> None:
    loop, told = Loop(), list[float]()
    kept = upkeep(loop)

    def last() -> None:
        told.append(loop.now_s)
        kept.stop()

    kept.every(1, last)
    loop.run_until(9)
    assert told == [1]
    assert not loop.calls
