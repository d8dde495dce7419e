"""Which message a list, or an address that mail is sent on to, had of late.

May be lost, is shared by all processes, and never decides whether mail is kept.
"""

from __future__ import annotations

from typing import Final, Protocol

WINDOW_S: Final = 3600.0
DAY_S: Final = 86_400.0
"""The longest that anybody asks about."""


class RepeatMemory(Protocol):
    """key: of the target and the message (`mailserver.lists.sameness`).  source: who brought it."""

    def claim(self, key: bytes, source: str, *, now_s: float) -> str:
        """The source that had it first within `WINDOW_S`: another one's, or now this one."""
        ...

    def release(self, key: bytes, source: str) -> None:
        """Nobody has it, if this source had."""
        ...

    def take(self, key: bytes, source: str, *, now_s: float) -> None:
        """From now on this one is the first."""
        ...

    def recall(self, key: bytes, *, now_s: float, window_s: float = WINDOW_S) -> str:
        """Who had it within so long, at most `DAY_S`; empty: nobody, as far as is known."""
        ...


class Remembers(Protocol):
    """A store with such a memory."""

    @property
    def repeats(self) -> RepeatMemory: ...
