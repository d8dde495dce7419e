"""Keeping house: what only the keeper asks of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mailserver.values.clock import Belief, Era


@dataclass(frozen=True, slots=True)
class Reclaimed:
    entry_count: int
    message_count: int
    file_count: int


class Clock(Protocol):
    """What is believed of the machine's clock."""

    def read_clock(self) -> Belief | None:
        """None: no keeper has looked at it yet."""
        ...

    def write_clock(self, belief: Belief) -> None:
        """By the keeper only; durable when it returns."""
        ...

    def newest_message(self) -> int:
        """Its number; 0 before the first one."""
        ...

    def bound_moments(
        self, clock: Callable[[], float], *, only_waits: bool = False
    ) -> Iterator[int]:
        """Bring back what lies further ahead than its rule allows.

        clock: Unix time.  Each step is one short turn; it says how many moments it changed.
        only_waits: for a next try; the clock may be wrong, and what else lies ahead right.
        """
        ...

    def lift_moments(self, era: Era) -> Iterator[int]:
        """What was stamped in it moves ahead, in steps as those of `bound_moments`."""
        ...


class Upkeep(Protocol):
    """Work of the keeper, the one process that looks after a store."""

    def checkpoint(self) -> int:
        """One step of moving the log into the database; returns the octets still in use."""
        ...

    def reclaim(self, *, now_s: float) -> Reclaimed:
        """One slice: free what no entry and no unfinished copy needs.

        Removed messages go when their time is over, and before it where they hold more
        than their part of the disk or the disk is short: from the mailbox that hides the most.
        """
        ...

    def must_make_room(self) -> bool:
        """Is the disk short, and do removed messages hold some of it?"""
        ...

    def keep_reserve(self) -> bool:
        """Fill the reserve where it is not full and there is room; True: it is full."""
        ...

    def expire_history(self, *, now_s: float) -> int:
        """One slice: forget final copies older than the retention; returns how many."""
        ...

    def index_journeys(self) -> int:
        """One slice of following the history for its index; 0: nothing is left to do."""
        ...

    def log_octets(self) -> int:
        """Size of the write-ahead log; 0 where the engine has none of its own."""
        ...
