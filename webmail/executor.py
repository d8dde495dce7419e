"""What waits for the disk, on threads of its own, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

THREADS: Final = 2
MAX_WAITING: Final = 100

P = ParamSpec("P")
T = TypeVar("T")


class TooBusy(Exception):
    """Too many wait; nothing was begun."""


class BoundedExecutor:
    """Used on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")
        self._waiting = 0

    async def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it on a thread, and wait.  It ends even where nobody waits any more.

        Raises:
            TooBusy: see there.
        """
        if self._waiting >= MAX_WAITING:
            raise TooBusy
        self._waiting += 1
        future = self._loop.run_in_executor(self._pool, partial(act, *args, **kwargs))
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def begin(self, act: Callable[[], None]) -> None:
        """Do it some time; it must not raise."""
        self._pool.submit(act)

    def close(self) -> None:
        """Wait for what has begun."""
        self._pool.shutdown(wait=True)

    def _done(self, _future: asyncio.Future[T]) -> None:
        self._waiting -= 1
