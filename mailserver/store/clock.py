"""What a process makes of the machine's clock: the keeper's row, and both clocks since.

Any process may ask at any time: a step that the keeper has not seen yet is seen
here.  Nothing is written; the keeper writes what it sees (`mailserver.keeper.clock_watch`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from mailserver.values.clock import Belief, Tick, look


class ClockRow(Protocol):
    def read_clock(self) -> Belief | None: ...


class ServiceClock:
    """One read of the store for each question."""

    def __init__(
        self,
        store: ClockRow,
        *,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wall_s = wall_s
        self._steady_s = steady_s

    def belief(self) -> Belief:
        return self._look(self._store.read_clock()).belief

    def ends_s(self) -> float:
        """The moment by which what ends is measured; never ahead of the machine's clock.

        While what a clock that was behind has stamped is not mended yet, nothing ends by it.
        """
        kept = self._store.read_clock()
        tick = self._look(kept)
        return tick.belief.ends_s if tick.era is None or kept is None else kept.ends_s

    def _look(self, kept: Belief | None) -> Tick:
        return look(
            kept,
            wall_s=self._wall_s(),
            steady_s=self._steady_s(),
            boot=boot_name(),
            newest=0,
        )


@cache
def boot_name() -> str:
    """Of this boot of the machine; empty where nothing tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
