"""Keeping house: what only the keeper asks of a store, and what a backup asks.

A backup needs one moment of the database, and bodies that stay meanwhile; it also says who can be
helped by one: bodies that are not in their files any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mailserver.store.ports.bodies import FaultyBody
from mailserver.values.clock import Belief, Era
from mailserver.values.ids import MessageId


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


Told = Callable[[int, int], None]
"""Gets octets that are done, and octets in all as far as is known."""


@dataclass(frozen=True, slots=True)
class FiledName:
    """A body that is a file, as its row names it."""

    message_id: MessageId
    name: str
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the copy of a database holds: it is of one moment.

    schema_number: the last migration.  queued_count: copies that had not arrived.
    """

    schema_number: int
    account_count: int
    message_count: int
    queued_count: int
    bodies: tuple[FiledName, ...]


class Backups(Protocol):
    def database_octets(self) -> int:
        """About how much `copy_database` will write."""
        ...

    def hold_bodies(self) -> AbstractContextManager[None]:
        """While it lasts no body's file is removed, whatever becomes of its row."""
        ...

    def copy_database(self, target: Path, told: Told) -> Snapshot:
        """Write a new file, durably: the database at one moment near the end of the call.

        Writers wait for nothing, and the log starts over as ever but for a short while.

        Raises:
            StoreUnavailable: no room, or the database was migrated meanwhile; try again.
            StoreBroken: it cannot be read, or not be written.
        """
        ...

    def faulty_bodies(self, *, sample: int, shown: int) -> tuple[int, list[FaultyBody]]:
        """(how many are known to be lost or unreadable, so many of them in full).

        What readers have met is looked at again, and so many others, chosen by chance.
        """
        ...

    def note_unreadable(self, body: FiledName, error: OSError, *, at_octet: int) -> None:
        """Whoever reads a body's file itself says so; `status` names it from then on."""
        ...

    def body_file(self, name: str) -> Path:
        """Where the body of this name lies, or would."""
        ...
