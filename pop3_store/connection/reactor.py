"""Twisted's epoll reactor on the monotonic clock, and without its log context around each event.

Twisted counts its timers by the machine's clock: set back by a year, no sweep,
beat or report comes for a year; set ahead, all are due at once.

`EPollReactor.doPoll` runs every read and write inside a context that names the
logger's system.  Nothing here logs through it, and it costs some 8 of the 100
microseconds of a RETR.  Errors of a descriptor are caught, as before, by
`_doReadOrWrite` itself.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

import time
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor


class LeanReactor(EPollReactor):
    _poller: Any
    _selectables: dict[int, Any]

    seconds = staticmethod(time.monotonic)

    def doPoll(self, timeout: float | None) -> None:
        """Wait at most `timeout` seconds (None: for ever) and serve what is ready."""
        try:
            ready = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        serve, selectables = self._doReadOrWrite, self._selectables
        for fd, event in ready:
            selectable = selectables.get(fd)
            if selectable is not None:  # else an earlier event of this turn closed it
                serve(selectable, fd, event)  # type: ignore[no-untyped-call]

    doIteration = doPoll  # noqa: N815 - Twisted chose this name


def install() -> None:
    """Make it this process's reactor; before anything imports `twisted.internet.reactor`."""
    installReactor(LeanReactor())  # type: ignore[no-untyped-call]
