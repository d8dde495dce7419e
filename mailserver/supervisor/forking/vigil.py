"""When a child that lives in name only is to be replaced.  A core: what is seen comes in.

A worker beats once a second while its loop turns.  Silence is counted in the watcher's own looks:
a look that comes late counts for no more than two, so that a suspended laptop, a frozen container
or a machine that gives nobody the processor never looks like a hung worker.  After 30 s:

| the silent process                                  | is                                  |
| --------------------------------------------------- | ----------------------------------- |
| is stopped (SIGSTOP, a debugger)                    | replaced, also while it starts      |
| does not serve yet: it migrates, it waits its turn  | let be                              |
| waits in the kernel for the disk, in any thread     | let be, and said: a kill would wait |
| can run and did not get half of the time            | let be, and said: a busy machine    |
| computed for half of the time, or sleeps            | replaced: it waits for itself       |

A process that has said that its next statement may take longer (the keeper, which moves a long
log in one) is given that long, unless it is stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from mailserver.supervisor.board import Waits

LOOK_S: Final = 1.0
SILENT_S: Final = 30.0
STOP_LOOK_S: Final = 5.0
_FAIR: Final = 0.5
_STOPPED: Final = frozenset("Tt")
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Condition:
    """What proc(5) says of a process: the states of its threads, the processor time it used."""

    states: frozenset[str]
    cpu_s: float


class VigilVerdict(Enum):
    WELL = "well"
    LET_BE = "let be"
    REPLACE = "replace"


class Vigil:
    """Over one child, from its start."""

    def __init__(self) -> None:
        self.silent_s = 0.0
        self._beat_at_s = 0.0
        self._looked_at_s: float | None = None
        self._cpu_s = 0.0  # at the beginning of the silence

    def look(
        self,
        beat_at_s: float,
        *,
        now_s: float,
        condition: Callable[[], Condition],
        long_s: float = 0.0,
    ) -> tuple[VigilVerdict, Waits]:
        """Once a second.

        beat_at_s: 0 while it does not serve yet.  long_s: what it has asked for; 0: nothing.
        """
        last_s, self._looked_at_s = self._looked_at_s, now_s
        if last_s is None or beat_at_s != self._beat_at_s:
            self._beat_at_s, self.silent_s = beat_at_s, 0.0
            return VigilVerdict.WELL, Waits.NOTHING
        if not self.silent_s:
            self._cpu_s = condition().cpu_s
        self.silent_s += min(now_s - last_s, 2 * LOOK_S)
        if self.silent_s < SILENT_S:
            return VigilVerdict.WELL, Waits.NOTHING
        return self._decide(condition(), patience_s=max(SILENT_S, long_s))

    def _decide(self, seen: Condition, *, patience_s: float) -> tuple[VigilVerdict, Waits]:
        if seen.states and seen.states <= _STOPPED:
            return VigilVerdict.REPLACE, Waits.NOTHING
        if not self._beat_at_s or self.silent_s < patience_s:
            return VigilVerdict.LET_BE, Waits.NOTHING
        if "D" in seen.states:
            return VigilVerdict.LET_BE, Waits.DISK
        if "R" in seen.states and seen.cpu_s - self._cpu_s < self.silent_s * _FAIR:
            return VigilVerdict.LET_BE, Waits.PROCESSOR
        return VigilVerdict.REPLACE, Waits.NOTHING


def read_condition(pid: int) -> Condition:
    """From proc(5); nothing for what has ended."""
    states: set[str] = set()
    cpu_s = 0.0
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            after_name = task.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        states.add(after_name[0])
        cpu_s += (int(after_name[11]) + int(after_name[12])) / _TICKS_S
    return Condition(frozenset(states), cpu_s)


class StopWatch:
    """Over a process that does not beat: how long has every thread of it been stopped?"""

    def __init__(self) -> None:
        self._stopped_s = 0.0
        self._looked_at_s: float | None = None

    def is_to_be_replaced(self, condition: Condition, *, now_s: float) -> bool:
        """At each look, `STOP_LOOK_S` apart; a late one counts for no more than two."""
        last_s, self._looked_at_s = self._looked_at_s, now_s
        if last_s is None or not condition.states or not condition.states <= _STOPPED:
            self._stopped_s = 0.0
            return False
        self._stopped_s += min(now_s - last_s, 2 * STOP_LOOK_S)
        return self._stopped_s >= SILENT_S
