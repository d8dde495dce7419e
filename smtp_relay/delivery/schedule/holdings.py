"""How many copies an agent answers for, and how many more it may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Holdings:
    """
    asked_count: that leases on their way may bring.
    held_count: leased, until what became of them is on disk: a crash sends them again.
    """

    max_leased: int
    asked_count: int = 0
    held_count: int = 0
    _is_short: bool = False  # somebody would have asked for more

    def room(self, wanted: int) -> int:
        """How many of so many may be asked for; 0 or less: none."""
        left = self.max_leased - self.held_count - self.asked_count
        self._is_short = self._is_short or left < wanted
        return min(wanted, left)

    def settled(self, count: int) -> bool:
        """So many are on disk.  True: whoever found no room may ask again."""
        self.held_count -= count
        was_short, self._is_short = self._is_short, False
        return was_short
