"""How long to wait before a dead process is started again.  A core: no clock of its own."""

from __future__ import annotations

FIRST_S = 0.1
LONGEST_S = 30.0
STEADY_S = 60.0
"""A process that lived this long was well: the next wait is the first one again."""


class Backoff:
    """0.1 s, doubled at each early death, at most 30 s."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def after_death(self, *, lived_s: float) -> float:
        """Seconds to wait after a process that lived this long."""
        if lived_s >= STEADY_S:
            self._next_s = FIRST_S
        wait_s = self._next_s
        self._next_s = min(self._next_s * 2, LONGEST_S)
        return wait_s
