"""The supervisor's board: who lives, who was replaced, what each process reported last.

Memory without a name (memfd), made by the supervisor for each generation and shared by all that
it forks.  No disk is touched, so it tells also when the disk is full or read-only.  One slot for
each process, in the order of `slot_names`:

    offset  octets  written by   what
    0       8       itself       its last beat (CLOCK_MONOTONIC); 0: it does not serve yet
    8       8       its parent   process id, 0: none
    16      8       its parent   when it was started (CLOCK_MONOTONIC)
    24      8       its parent   how many died here before
    32      8       its parent   how many of these were killed because they did not answer
    40      8       its parent   exit status of the last one, negative for a signal
    48      8       its parent   what it waits for: see `Waits`
    56      8       itself       when it reported (CLOCK_MONOTONIC)
    64      8       itself       octets of the report; while they are written, 0
    72      rest    itself       the report, JSON
    last 8  8       itself       seconds that the statement it is in may take; 0: a usual one

Every field has one writer.  A reader that comes in the middle of a report sees none.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SLOT_OCTETS: Final = 8 * 1024
_BEAT, _PID, _STARTED, _DEATHS, _REPLACED, _STATUS, _WAITS, _REPORTED, _LENGTH, _REPORT = range(
    0, 80, 8
)
_LONG: Final = SLOT_OCTETS - 8  # at the end: where older code looks, nothing has moved
_FLOAT: Final = struct.Struct("=d")
_NUMBER: Final = struct.Struct("=q")


class Waits(IntEnum):
    """Why a process that is silent is let be."""

    NOTHING = 0
    DISK = 1
    PROCESSOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What the board says of one place.  Ages in seconds; None: never."""

    name: str
    pid: int
    lived_s: float
    silent_s: float | None
    death_count: int
    replaced_count: int
    last_status: int
    waits: Waits
    report: dict[str, float]
    report_age_s: float | None


def slot_names(doors: Sequence[tuple[str, int]]) -> list[str]:
    """doors: (name, how many workers).  `smtp parent`, `smtp.0`, `smtp.1`, ..."""
    return [
        name
        for door, workers in doors
        for name in (f"{door} parent", *(f"{door}.{index}" for index in range(workers)))
    ]


def make_board_memory(slot_count: int) -> int:
    """A descriptor.  The caller closes it."""
    fd = os.memfd_create("board", os.MFD_CLOEXEC)
    os.ftruncate(fd, max(1, slot_count) * SLOT_OCTETS)
    return fd


class Board:
    """The whole of it, in one process.  fd may be closed afterwards."""

    def __init__(self, fd: int, names: Sequence[str]) -> None:
        self._names = list(names)
        self._memory = mmap.mmap(fd, max(1, len(names)) * SLOT_OCTETS)

    def seat(self, name: str) -> BoardSlot:
        return BoardSlot(self._memory, self._names.index(name) * SLOT_OCTETS)

    def slots(self, *, now_s: float) -> list[Slot]:
        """now_s: of CLOCK_MONOTONIC."""
        return [self.seat(name).read(name, now_s=now_s) for name in self._names]


class BoardSlot:
    """One slot.  Who may call what: see the table."""

    __slots__ = ("_memory", "_start")

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        self._start = start

    # By the process itself.

    def beat(self, *, now_s: float) -> None:
        """It serves, and its loop turns."""
        _FLOAT.pack_into(self._memory, self._start + _BEAT, now_s)

    def be_long(self, seconds: float) -> None:
        """What comes now may take so long; 0: it is over."""
        _FLOAT.pack_into(self._memory, self._start + _LONG, seconds)

    def tell(self, report: dict[str, float], *, now_s: float) -> None:
        """What it counts; too much for the slot is left out."""
        octets = json.dumps(report).encode("ascii")
        if len(octets) > _LONG - _REPORT:
            return
        at = self._start
        _NUMBER.pack_into(self._memory, at + _LENGTH, 0)
        self._memory[at + _REPORT : at + _REPORT + len(octets)] = octets
        _FLOAT.pack_into(self._memory, at + _REPORTED, now_s)
        _NUMBER.pack_into(self._memory, at + _LENGTH, len(octets))

    # By its parent.

    def begin(self, *, now_s: float) -> None:
        """Before the fork: nobody serves here yet."""
        _FLOAT.pack_into(self._memory, self._start + _BEAT, 0.0)
        self.be_long(0.0)
        _FLOAT.pack_into(self._memory, self._start + _STARTED, now_s)
        self.wait_for(Waits.NOTHING)

    def fill(self, pid: int) -> None:
        _NUMBER.pack_into(self._memory, self._start + _PID, pid)

    def bury(self, status: int, *, was_replaced: bool) -> None:
        """exit status, negative for a signal."""
        self.fill(0)
        _NUMBER.pack_into(self._memory, self._start + _STATUS, status)
        self._add(_DEATHS, 1)
        self._add(_REPLACED, int(was_replaced))

    def wait_for(self, what: Waits) -> bool:
        """True: that is news."""
        is_news = self._number(_WAITS) != what
        if is_news:
            _NUMBER.pack_into(self._memory, self._start + _WAITS, what)
        return is_news

    # By anybody.

    @property
    def beat_at_s(self) -> float:
        """0: it does not serve yet."""
        return self._float(_BEAT)

    @property
    def long_s(self) -> float:
        """See `be_long`."""
        return self._float(_LONG)

    def read(self, name: str, *, now_s: float) -> Slot:
        beat_at_s, report = self.beat_at_s, self._report()
        pid = self._number(_PID)
        return Slot(
            name=name,
            pid=pid,
            lived_s=now_s - self._float(_STARTED) if pid else 0.0,
            silent_s=max(0.0, now_s - beat_at_s) if beat_at_s and pid else None,
            death_count=self._number(_DEATHS),
            replaced_count=self._number(_REPLACED),
            last_status=self._number(_STATUS),
            waits=Waits(self._number(_WAITS)),
            report=report or {},
            report_age_s=None if report is None else max(0.0, now_s - self._float(_REPORTED)),
        )

    def _report(self) -> dict[str, float] | None:
        length = self._number(_LENGTH)
        at = self._start + _REPORT
        try:
            found = json.loads(self._memory[at : at + length]) if length else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _add(self, field: int, count: int) -> None:
        _NUMBER.pack_into(self._memory, self._start + field, self._number(field) + count)

    def _float(self, field: int) -> float:
        (value,) = _FLOAT.unpack_from(self._memory, self._start + field)
        return float(value)

    def _number(self, field: int) -> int:
        (value,) = _NUMBER.unpack_from(self._memory, self._start + field)
        return int(value)
