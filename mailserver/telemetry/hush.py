"""How often one thing is told: enough to see it, never enough to fill a disk.

What strangers can cause gets a line of the log for the first times of each kind, then none
until its minute is over; the next line says how many were kept back.  A core: the clock comes in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60.0
MOST_OF_ONE: Final = 5
MOST_OF_ALL: Final = 60
MOST_KINDS: Final = 1_000


@dataclass(slots=True)
class _Window:
    began_at_s: float
    told: int = 0
    kept_back: int = 0


class Hush:
    """Of one process.  A kind is whatever makes two lines the same line."""

    def __init__(
        self,
        *,
        most_of_one: int = MOST_OF_ONE,
        most_of_all: int = MOST_OF_ALL,
        window_s: float = WINDOW_S,
    ) -> None:
        self._most_of_one = most_of_one
        self._most_of_all = most_of_all
        self._window_s = window_s
        self._all = _Window(0.0)
        self._kinds: OrderedDict[Hashable, _Window] = OrderedDict()

    def ask(self, kind: Hashable, *, now_s: float) -> int | None:
        """None: keep it back.  A number: tell it, with so many like it that were kept back.

        now_s: any clock that never steps back.
        """
        one = self._window_of(kind, now_s)
        every = self._all = self._fresh(self._all, now_s)
        if one.told >= self._most_of_one or every.told >= self._most_of_all:
            one.kept_back += 1
            return None
        one.told += 1
        every.told += 1
        kept_back, one.kept_back = one.kept_back, 0
        return kept_back

    def _window_of(self, kind: Hashable, now_s: float) -> _Window:
        window = self._fresh(self._kinds.pop(kind, _Window(now_s)), now_s)
        self._kinds[kind] = window
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        return window

    def _fresh(self, window: _Window, now_s: float) -> _Window:
        if now_s - window.began_at_s < self._window_s:
            return window
        return _Window(now_s, kept_back=window.kept_back)
