"""Log-ins that were tried: what throttles count and what histories show.  All of it may be lost.

`who` is an account, or a name that was typed, as a keyed digest; `block` is a
network of addresses, or empty for all of them together.  A wrong password is
known by a keyed digest, so the same one again counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailserver.peers.guessers import Ledger
from mailserver.values.ids import AccountId

KEPT_LOG_INS_COUNT = 50
"""Of one account: the last that succeeded, and as many that failed."""
MERGED_WITHIN_S = 86_400.0
"""The same door, address and end within a day of the first are one line."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Different wrong passwords, and when the last new one came."""

    distinct_count: int
    last_at_s: float


NO_FAILURES = Failures(0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """One line of an account's log-ins.

    by_whom: the holder who signed in to a mailbox as themselves, or empty.
    count: how often since `at_s`; programs that stay signed in count once an hour.
    """

    at_s: float
    last_at_s: float
    door: str
    peer: str
    is_success: bool
    by_whom: str = ""
    count: int = 1


class Attempts(Protocol):
    """Shared by all processes, costs no fsync.  Unreadable: nothing is known, nobody is slowed."""

    def read_failures(self, who: str, block: str, *, since_s: float) -> Failures: ...

    def count_failing(self, block: str, *, since_s: float, limit: int) -> int:
        """How many different names failed from a block; counts no further than `limit`."""
        ...

    def note_failure(
        self, counted: Sequence[tuple[str, str]], digest: str, *, now_s: float, since_s: float
    ) -> None:
        """counted: (block, who), each.  digest: of the password.

        A row whose last one is older than `since_s` begins anew.
        """
        ...

    def reserve_failure(
        self, who: str, block: str, digest: str, *, seen: Failures, now_s: float, since_s: float
    ) -> int:
        """Count a try as failed before it is looked at, if the row is still as it was `seen`.

        One step for all processes: of many tries at one instant, one finds it so.  How many
        different passwords are counted now; 0: another try was faster, nothing was done.
        """
        ...

    def return_failure(
        self, who: str, block: str, digest: str, *, seen: Failures, now_s: float
    ) -> None:
        """Take such a try back: it was right, or was not looked at."""
        ...

    def name_key(self) -> bytes:
        """Under which names that were typed are digested; as old as the counts.  Empty: unknown."""
        ...

    def clear_failures(self, who: str, block: str) -> None: ...

    def take_turn(self, block: str, *, now_s: float, pause_s: float) -> bool:
        """True to one asker in each pause."""
        ...

    def count_act(self, key: str, *, now_s: float, window_s: float) -> int:
        """Count one more act under this key; how many there were in its window, this one too."""
        ...

    def read_act(self, key: str, *, now_s: float, window_s: float) -> int:
        """The same, and count none."""
        ...

    def note_log_in(self, account_id: AccountId, log_in: LogIn) -> None: ...

    def log_ins(self, account_id: AccountId) -> tuple[LogIn, ...]:
        """The latest first."""
        ...


class KnownBlocks(Ledger, Protocol):
    """Where people signed in from (noted with `Scratch.note_seen`), and where others guess."""

    def knows_block(self, peer: str, *, since_s: float) -> bool:
        """Did anybody sign in lately from this address's /24, or /64 of IPv6?"""
        ...
