"""How many log lines a peer can cause: so many for each block of addresses, then one with a number.

A session's own repetitions are counted by the session (`NoticeRepeats`); what many sessions of one
block cause, and all blocks together, is bounded by `Notices`.  Safe to call from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from mailserver.peers.blocks import block_of
from mailserver.telemetry.log import Log

WINDOW_S: Final = 600.0
BLOCK_LINES: Final = 100
ALL_LINES: Final = 5_000
MAX_BLOCKS: Final = 10_000
"""More than this many share one count."""
SHOWN_IN_SESSION: Final = 3
_BITS: Final = (24, 48)  # wider than what one subscriber holds: addresses are cheap to change


class Notices:
    """The counts of one process for the window that runs."""

    def __init__(self, log: Log, *, clock_s: Callable[[], float]) -> None:
        self._log = log
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._total = 0
        self._ends_at_s = 0.0

    def allows(self, peer: str) -> bool:
        """May one more line about this peer be written?  What may not is counted."""
        with self._lock:
            self._turn()
            block = block_of(peer, *_BITS)
            if block not in self._counts and len(self._counts) >= MAX_BLOCKS:
                block = ""
            count = self._counts[block] = self._counts.get(block, 0) + 1
            if count > BLOCK_LINES:
                return False
            self._total += 1
            return self._total <= ALL_LINES

    def sweep(self) -> None:
        """Say what was left out, once its window is over."""
        with self._lock:
            self._turn()

    def _turn(self) -> None:
        now_s = self._clock_s()
        if now_s < self._ends_at_s:
            return
        left_out = {
            block: count - BLOCK_LINES
            for block, count in self._counts.items()
            if count > BLOCK_LINES
        }
        unseen = max(0, self._total - ALL_LINES)
        self._counts.clear()
        self._total = 0
        self._ends_at_s = now_s + WINDOW_S
        for block, count in sorted(left_out.items(), key=lambda one: -one[1])[:BLOCK_LINES]:
            self._log.warning(
                "lines about one block of addresses left out", block=block, lines=count
            )
        if unseen:
            self._log.warning("lines about many blocks of addresses left out", lines=unseen)


class NoticeRepeats:
    """What one session was refused again and again: a few lines, then a number."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Any], int] = {}

    def is_shown(self, event: str, code: object) -> bool:
        """Count it; True for the first few."""
        key = (event, code)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        return count <= SHOWN_IN_SESSION

    def take(self) -> Iterator[tuple[str, Any, int]]:
        """(event, code, how many were not shown), once."""
        counts, self._counts = self._counts, {}
        for (event, code), count in counts.items():
            if count > SHOWN_IN_SESSION:
                yield event, code, count - SHOWN_IN_SESSION
