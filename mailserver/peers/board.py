"""A board that all processes of one door look at: how many connections, who waits for what.

A file in the store's folder, mapped into memory; no fsync, and nobody misses it.  Each process
has one slot, which it alone writes and which a lock of the kernel keeps for it (fcntl(2), open
file description locks), so there is nothing to wait for and a killed process blocks nobody.
What a slot says counts while its owner beats: who is dead or hung is left out.

    slot    octets   what
    beat         8   when its owner last wrote (CLOCK_MONOTONIC: one for the whole machine)
    waiters      8   how many of the next two rows are in use
    keys   32 *  8   what is waited for
    since  32 *  8   since when
    counts  8 KiB    connections by block, in two rows of counters (a count-min sketch)

Two rows, because blocks share counters: the smaller of the two is never too small, and hardly
ever too large.  Where the file cannot be had (a full or read-only disk), the board is private:
the process knows itself only.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

SLOTS: Final = 64
STALE_S: Final = 10.0
"""A slot whose owner has not beaten for so long says nothing."""
MAX_WAITERS: Final = 32
_ROW: Final = 1024
_WORD: Final = 8
_BEAT, _WAITERS, _KEYS = 0, 1, 2
_SINCE: Final = _KEYS + MAX_WAITERS
_COUNTS: Final = (_SINCE + MAX_WAITERS) * _WORD  # octets
_SLOT: Final = 12 * 1024

Waiter = tuple[int, float]
"""(what is waited for, since when)."""


class PeersBoard:
    """One process's view.  Used by one thread."""

    def __init__(self, path: Path | None, *, now_s: float) -> None:
        """path: of the door's file; None: a private board."""
        self._fd, self._slot = -1, 0
        memory = None if path is None else self._share(path)
        self._memory = memoryview(mmap.mmap(-1, _SLOT) if memory is None else memory)
        start = self._slot * _SLOT
        self._memory[start : start + _SLOT] = bytes(_SLOT)
        self._words = self._memory.cast("Q")
        self._times = self._memory.cast("d")
        self._counts = self._memory.cast("I")
        self._base = start // _WORD
        self._own_counts = (start + _COUNTS) // 4
        self._others: list[int] = []
        self.beat(now_s=now_s)

    def _share(self, path: Path) -> mmap.mmap | None:
        """The file, with a slot of ours; None: there is no room, no right or no free slot."""
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            # Room that is not there would be a SIGBUS at the first write.
            os.posix_fallocate(self._fd, 0, SLOTS * _SLOT)
            self._slot = next(slot for slot in range(SLOTS) if _lock(self._fd, slot))
            return _map(path)
        except (OSError, StopIteration):
            self._slot = 0
            self.close()
            return None

    @property
    def is_shared(self) -> bool:
        return self._fd >= 0

    def close(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)  # the slot is free
            self._fd = -1

    def __del__(self) -> None:
        self.close()

    def beat(self, *, now_s: float) -> None:
        """Say that we live, and look who else does; about once a second."""
        self._times[self._base + _BEAT] = now_s
        if self.is_shared:
            self._others = [
                slot
                for slot in range(SLOTS)
                if slot != self._slot and self._lives(slot, now_s=now_s)
            ]

    def _lives(self, slot: int, *, now_s: float) -> bool:
        beat_s = self._times[slot * _SLOT // _WORD + _BEAT]
        return beat_s > 0 and -1.0 <= now_s - beat_s < STALE_S

    # --- connections ----------------------------------------------------------------

    def add(self, key: str, change: int) -> None:
        """Our own count of a block."""
        for place in _places(key):
            self._counts[self._own_counts + place] += change

    def others(self, key: str) -> int:
        """What the other processes count for it."""
        if not self._others:
            return 0
        return min(self._sum(place) for place in _places(key))

    def _sum(self, place: int) -> int:
        return sum(self._counts[(slot * _SLOT + _COUNTS) // 4 + place] for slot in self._others)

    # --- waiting --------------------------------------------------------------------

    def publish(self, waiters: Sequence[Waiter]) -> None:
        """What somebody here waits for; the first of those who wait for one thing."""
        shown = waiters[:MAX_WAITERS]
        self._words[self._base + _WAITERS] = 0
        for number, (key, since_s) in enumerate(shown):
            self._words[self._base + _KEYS + number] = key
            self._times[self._base + _SINCE + number] = since_s
        self._words[self._base + _WAITERS] = len(shown)

    def waiters(self) -> Iterator[Waiter]:
        """What the other processes have published."""
        for slot in self._others:
            base = slot * _SLOT // _WORD
            for number in range(min(self._words[base + _WAITERS], MAX_WAITERS)):
                yield self._words[base + _KEYS + number], self._times[base + _SINCE + number]


def _map(path: Path) -> mmap.mmap:
    """Through a descriptor of its own: the memory keeps it, and the lock must end with ours."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return mmap.mmap(fd, SLOTS * _SLOT)
    finally:
        os.close(fd)


@lru_cache(maxsize=8192)
def _places(key: str) -> tuple[int, int]:
    """Where a block is counted, in each row."""
    first, second = struct.unpack("<II", hashlib.blake2b(key.encode(), digest_size=8).digest())
    return first % _ROW, _ROW + second % _ROW


def _lock(fd: int, slot: int) -> bool:
    """Lasts until `fd` is closed or its process ends."""
    # struct flock: type, whence, start, length, pid (which must be 0).
    wanted = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError:
        return False
    return True
