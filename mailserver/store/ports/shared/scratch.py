"""What all processes share and may be lost: log-ins, who was seen, counters for `status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mailserver.values.ids import AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """The latest log-in of an account at one listener."""

    door: str
    peer: str
    at_s: float
    by_whom: str = ""  # the holder who signed in as themselves


class Scratch(Protocol):
    """Shared by all processes, costs no fsync, recreated when unreadable."""

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        """Was this digest kept within its lifetime?  Using it lets the time slide."""
        ...

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None: ...

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None: ...

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]: ...

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        """A process tells its counters, for `mailserver status`."""
        ...

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        """source -> (when it reported, its counters)."""
        ...
