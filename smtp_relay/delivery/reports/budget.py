"""How many reports one address elsewhere gets about what nobody of ours sent: it may be forged.

| what                     | within an hour       | beyond               |
| ------------------------ | -------------------- | -------------------- |
| arrived, relayed, late   | 20, with what failed | not said             |
| failed                   | 100                  | said an hour later   |

Without what stands behind a plus.  Counts stand in the scratch: all processes share them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from mailserver.queue.reports import ReportKind
from mailserver.values.address import Address, split_plus

HOUR_S: Final = 3600.0
MOST_FAILED: Final = 100
MOST_OTHERS: Final = 20


class Counts(Protocol):
    def count_act(self, key: str, *, now_s: float, window_s: float) -> int: ...


class NotNow(Exception):
    """This address had enough reports within the hour: a later one tells it."""


class ReportBudget:
    """Used in one thread at a time."""

    def __init__(self, counts: Counts, *, wall_s: Callable[[], float]) -> None:
        self._counts = counts
        self._wall_s = wall_s

    def take(self, address: Address, kind: ReportKind) -> bool:
        """Count one; False: it is not to be said at all.

        Raises:
            NotNow: it is to be said later.
        """
        key = Address(split_plus(address.local)[0], address.domain).key
        count = self._counts.count_act(f"report:{key}", now_s=self._wall_s(), window_s=HOUR_S)
        if kind is not ReportKind.FAILED:
            return count <= MOST_OTHERS
        if count > MOST_FAILED:
            raise NotNow(key)
        return True
