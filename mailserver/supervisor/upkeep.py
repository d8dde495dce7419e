"""What a worker does again and again, on whatever loop it has.

The loop comes in as its `call_later`, so that this is said once for all doors, and the core still
imports no loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailserver.telemetry.log import Log


class Timer(Protocol):
    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]
"""As asyncio's `call_later`: seconds, what to call on the loop's own thread."""


class Upkeep:
    """Of one process; used on its loop's thread."""

    def __init__(self, call_later: CallLater, *, log: Log, whose: str) -> None:
        """whose: for the log, as `the SMTP worker`."""
        self._call_later = call_later
        self._log = log
        self._whose = whose
        self._timers: dict[int, Timer] = {}

    def every(self, seconds: float, act: Callable[[], None]) -> None:
        """First after so many seconds, then so long after each end.  A failure is logged."""
        number = len(self._timers)

        def turn() -> None:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - the top of a callback
                self._log.error(f"upkeep of {self._whose} failed", exc_info=error)
            if number in self._timers:
                self._timers[number] = self._call_later(seconds, turn)

        self._timers[number] = self._call_later(seconds, turn)

    def stop(self) -> None:
        """Nothing is done any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
