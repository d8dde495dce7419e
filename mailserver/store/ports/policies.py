"""What other domains ask of who sends to them: cached, so that it survives a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StsPolicy:
    """One cached MTA-STS policy (RFC 8461)."""

    domain: str
    policy_id: str
    mode: str
    hosts: tuple[str, ...]
    max_age_s: int
    fetched_at_s: float


class Policies(Protocol):
    def read_sts_policy(self, domain: str) -> StsPolicy | None: ...

    def write_sts_policy(self, policy: StsPolicy) -> None: ...

    def forget_sts_policy(self, domain: str) -> None: ...
