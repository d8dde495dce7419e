"""Who guesses recipients: a block of addresses that asks for many whom nobody here is.

A session that asks for too many ends; this is the memory across sessions, processes and
restarts.  A server that brings much mail has old addresses in its lists too, so what it brings
is held against what it asks for: a block is told to come back later, before any recipient is
named, when within an hour its unknown recipients are more than the limit and more than what
was accepted from it besides.  Later is temporary: nothing that is mail is lost.

The same counts bound what one block makes us keep, and write into history and index.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from mailserver.peers.blocks import block_of

WINDOW_S: Final = 3600.0
LOOK_AGAIN_S: Final = 5.0
"""What other processes have counted is read so often."""
MAX_BLOCKS: Final = 10_000
_BITS: Final = (24, 48)
WRITTEN_COUNT: Final = 100
"""So many accepted copies of one block are written down at once, for all processes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Within the window that runs: recipients that nobody is, and copies that were accepted."""

    unknown: int = 0
    accepted: int = 0
    since_s: float = 0.0


class Ledger(Protocol):
    """Shared by all processes, costs no fsync; unreadable: nothing was asked."""

    def read_asked(self, block: str, *, since_s: float) -> Asked: ...

    def note_asked(
        self, block: str, *, unknown: int, accepted: int, now_s: float, since_s: float
    ) -> Asked:
        """Add; a window that began before `since_s` begins anew.  How it stands now."""
        ...


class PrivateLedger:
    """Of one process alone; what is over is forgotten when there is too much."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}

    def read_asked(self, block: str, *, since_s: float) -> Asked:
        asked = self._asked.get(block, Asked())
        return asked if asked.since_s >= since_s else Asked()

    def note_asked(
        self, block: str, *, unknown: int, accepted: int, now_s: float, since_s: float
    ) -> Asked:
        before = self.read_asked(block, since_s=since_s)
        if len(self._asked) >= MAX_BLOCKS:
            self._asked.clear()
        self._asked[block] = Asked(
            before.unknown + unknown, before.accepted + accepted, before.since_s or now_s
        )
        return self._asked[block]


@dataclass(slots=True)
class Record:
    """What this process knows of one block."""

    block: str
    asked: Asked
    read_at_s: float
    accepted: int = 0  # and not yet noted


class Guessers:
    """Of one process."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        most: int,
        most_accepted: int = 10**9,
        clock_s: Callable[[], float],
        wall_s: Callable[[], float],
    ) -> None:
        """Of one block within an hour.  most: unknown recipients.  most_accepted: copies."""
        self._ledger = ledger
        self._most = most
        self._most_accepted = most_accepted
        self._clock_s = clock_s
        self._wall_s = wall_s
        self._records: OrderedDict[str, Record] = OrderedDict()

    def must_wait(self, peer: str) -> bool:
        record = self._record(peer)
        asked = record.asked
        if not 0 <= self._wall_s() - asked.since_s < WINDOW_S:  # over, or of a clock that was ahead
            return False
        return asked.unknown > self._most + asked.accepted + record.accepted

    def brings_too_much(self, peer: str) -> bool:
        """Has it filled its share of the store and its history for this hour?"""
        record = self._record(peer)
        if not 0 <= self._wall_s() - record.asked.since_s < WINDOW_S:
            return record.accepted > self._most_accepted
        return record.asked.accepted + record.accepted > self._most_accepted

    def note_unknown(self, peer: str) -> None:
        """A recipient that nobody is."""
        self._write(self._record(peer), unknown=1)

    def _write(self, record: Record, *, unknown: int) -> None:
        now_s = self._wall_s()
        record.asked = self._ledger.note_asked(
            record.block,
            unknown=unknown,
            accepted=record.accepted,
            now_s=now_s,
            since_s=now_s - WINDOW_S,
        )
        record.accepted = 0
        record.read_at_s = self._clock_s()

    def note_accepted(self, peer: str, count: int) -> None:
        """Copies; written down with the next unknown recipient, or when there are some."""
        record = self._record(peer)
        record.accepted += count
        if record.accepted >= WRITTEN_COUNT:
            self._write(record, unknown=0)

    def _record(self, peer: str) -> Record:
        block = block_of(peer, *_BITS)
        now_s = self._clock_s()
        record = self._records.get(block)
        if record is None or now_s - record.read_at_s >= LOOK_AGAIN_S:
            asked = self._ledger.read_asked(block, since_s=self._wall_s() - WINDOW_S)
            if record is None:
                record = self._records[block] = Record(block, asked, now_s)
                if len(self._records) > MAX_BLOCKS:
                    self._records.popitem(last=False)
            else:
                record.asked, record.read_at_s = asked, now_s
        return record
