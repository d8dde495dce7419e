"""A few descriptors kept back, so that a process that has none left can still say so.

With no descriptor free, event loops accept a connection only to drop it, and nobody learns why.
So some are held from the beginning; when there is no other one, they are let go, and who comes is
told to come later.  They are taken back as soon as they can be.
"""

from __future__ import annotations

import os
import resource
from typing import Final

KEPT: Final = 16


def descriptors_now() -> int:
    """How many this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Spares:
    """Of one process; `look` is called every second."""

    def __init__(self, count: int = KEPT) -> None:
        self._count = count
        self._held: list[int] = []
        self.is_short = not self._take()

    def look(self) -> bool:
        """Is there none left?  True from the first look that finds none until all are back."""
        if self.is_short:
            self.is_short = not self._take()
        elif not self._is_one_left():
            self._let_go()
            self.is_short = True
        return self.is_short

    def close(self) -> None:
        self._let_go()

    def __del__(self) -> None:
        self._let_go()

    def _take(self) -> bool:
        try:
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self._let_go()
            return False
        return True

    def _is_one_left(self) -> bool:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return False
        return True

    def _let_go(self) -> None:
        while self._held:
            os.close(self._held.pop())
