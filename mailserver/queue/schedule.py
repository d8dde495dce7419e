"""When a deferred copy is tried again, and when its sender hears of it.

Pure: the clock and chance come in.  RFC 5321 §4.5.4.1 asks for at least 30
minutes between tries after the first ones and for 4 to 5 days in all; the
first retries are early because most deferrals are short (grey-listing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

JITTER = 0.1
"""A delay is spread by a tenth either way: what failed together does not return together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """
    retry_after_s: the delay before each retry in turn; the last one repeats.
    expire_after_s: a copy that is older is returned.
    notice_after_s: ages at which a delay is told, ascending.
    """

    retry_after_s: tuple[float, ...]
    expire_after_s: float
    notice_after_s: tuple[float, ...]

    def next_try(self, attempt_count: int, *, now_s: float, chance: float) -> float:
        """attempt_count: those made, this one included; chance: in [0, 1)."""
        return now_s + self.delay(attempt_count) * (1 + JITTER * (2 * chance - 1))

    def delay(self, attempt_count: int) -> float:
        """How long to wait after so many tries, before it is spread."""
        return _nth(self.retry_after_s, attempt_count - 1)

    def next_tell(self, *, accepted_at_s: float, now_s: float) -> float:
        """The next moment at which the sender must hear: a notice, else the expiry."""
        for age_s in self.notice_after_s:
            if age_s < self.expire_after_s and accepted_at_s + age_s > now_s:
                return accepted_at_s + age_s
        return self.expires_at(accepted_at_s)

    def expires_at(self, accepted_at_s: float) -> float:
        return accepted_at_s + self.expire_after_s


def _nth(delays_s: Sequence[float], index: int) -> float:
    return delays_s[min(max(index, 0), len(delays_s) - 1)]
