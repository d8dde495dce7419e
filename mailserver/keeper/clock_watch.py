"""The keeper's eye on the machine's clock: it writes down what is believed, and mends moments.

at its start, and when the clock jumped back   no moment may lie further than its rule allows
`AGAIN_S` later                                again: something may have been on its way
when a clock that was behind steps ahead       what it stamped moves ahead with it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from mailserver.store.ports.upkeep import Clock
from mailserver.telemetry.log import Log
from mailserver.values.clock import Belief, Era, Tick, look

WRITE_S: Final = 600.0
"""What is believed is written so often where nothing happens: one small commit."""
AGAIN_S: Final = (10.0, 120.0)


@dataclass(slots=True)
class ClockWatch:
    store: Clock
    log: Log
    boot: str
    wall_s: Callable[[], float]
    _belief: Belief | None = None
    _written: Belief | None = None
    _again_s: list[float] = field(default_factory=list)
    _repair: Iterator[int] = field(default_factory=lambda: iter(()))
    _mended_count: int = 0
    _era: Era | None = None

    def step(self, *, now_s: float, clock_s: float) -> bool:
        """Look at both clocks, and mend a slice where there is something to mend.

        Returns whether there is more to mend.

        Raises:
            StoreUnavailable: the next step looks again.
        """
        is_first = self._belief is None
        before = self.store.read_clock() if is_first else self._belief
        tick = look(
            before,
            wall_s=now_s,
            steady_s=clock_s,
            boot=self.boot,
            newest=self.store.newest_message() if before is None or _is_stray(before, now_s) else 0,
        )
        if tick.era is not None:
            # Whole, and before anybody learns that the clock is right: what it stamped while it
            # was behind would else have ended long ago.  Killed here, the next keeper does it.
            self._era = tick.era
            self._mended_count += sum(self.store.lift_moments(tick.era))
        self._write(tick, before, clock_s)
        self._belief = tick.belief
        is_right_again = before is not None and before.is_behind and not tick.belief.is_behind
        if is_first or tick.step_s < 0 or is_right_again:
            self._again_s = [clock_s + wait_s for wait_s in AGAIN_S]
            self._begin()
        elif self._again_s and clock_s >= self._again_s[0]:
            del self._again_s[0]
            self._begin()
        return self._mend(now_s)

    @property
    def ends_s(self) -> float:
        """The moment by which what ends is measured; before the first look nothing ends."""
        return 0.0 if self._belief is None else self._belief.ends_s

    def _begin(self) -> None:
        if self._era is not None:  # once more, for what was on its way to the disk
            self._repair = chain(self._repair, self.store.lift_moments(self._era))
        only_waits = self._belief is not None and self._belief.is_behind
        moments = self.store.bound_moments(self.wall_s, only_waits=only_waits)
        self._repair = chain(self._repair, moments)

    def _mend(self, now_s: float) -> bool:
        count = next(self._repair, None)
        if count is not None:
            self._mended_count += count
            return True
        if self._mended_count and self._belief is not None:
            self.log.warning(
                "moments lay further away than their rules allow: brought back",
                count=self._mended_count,
            )
            self._belief = replace(
                self._belief, bounded_count=self._mended_count, bounded_at_s=now_s
            )
            self.store.write_clock(self._belief)
            self._mended_count = 0
        return False

    def _write(self, tick: Tick, before: Belief | None, clock_s: float) -> None:
        now = tick.belief
        if tick.step_s:
            self.log.warning(
                "the machine's clock jumped", by_s=round(tick.step_s), ends_wait_s=round(now.gap_s)
            )
        is_news = before is None or tick.step_s or _state(now) != _state(before)
        last = self._written
        if is_news or last is None or clock_s - last.steady_s >= WRITE_S:
            self.store.write_clock(now)
            self._written = now


def _is_stray(before: Belief, now_s: float) -> bool:
    """May it be that the number of the newest message is wanted?"""
    return now_s < before.wall_s


def _state(belief: Belief) -> tuple[float | None, float | None]:
    return belief.strayed_at_s, belief.behind_from_s
