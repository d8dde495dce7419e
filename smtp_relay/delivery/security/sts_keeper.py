"""Which MTA-STS policy is in force for a domain: fetched, cached, or none (RFC 8461 §3.3, §5.1).

| TXT record        | policy in the store   | what is done                                  |
| ----------------- | --------------------- | --------------------------------------------- |
| same id           | younger than a day    | it holds                                      |
| same id           | older                 | fetched again; it holds where that fails      |
| another id        | any, or none          | fetched; the old one holds where that fails   |
| none, or no answer| not expired           | it holds: nobody gets rid of it by hiding DNS |
| none, or no answer| none                  | no policy                                     |

A fetch that failed is not tried again for some minutes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Final, Protocol, TypeVar

from dns.rdtypes.ANY.TXT import TXT

from mailserver.store.ports.policies import Policies, StsPolicy
from mailserver.telemetry.log import Log, get_log
from smtp_relay.delivery.dns.answers import Answer, Found
from smtp_relay.delivery.security.sts import BadPolicy, find_policy_id, parse_policy
from smtp_relay.delivery.security.sts_fetch import CannotFetch

REFRESH_S: Final = 86_400.0
PAUSE_S: Final = 300.0  # §3.3: at least five minutes after a failure
MAX_FAILURES_KEPT: Final = 10_000

Say = Callable[[str], None]
_Result = TypeVar("_Result")


class Fetch(Protocol):
    def fetch(self, domain: str) -> Awaitable[bytes]:
        """
        Raises:
            CannotFetch: it could not be had.
        """
        ...


class StsKeeper:
    """One per process.

    policies: the store's; called in `pool`, never on the loop's thread.
    clock: Unix time, as policies outlive the process.
    """

    def __init__(
        self,
        policies: Policies,
        fetch: Fetch,
        *,
        pool: Executor | None = None,
        clock: Callable[[], float] = time.time,
        log: Log | None = None,
    ) -> None:
        self._policies = policies
        self._fetch = fetch
        self._pool = pool
        self._clock = clock
        self._log = log or get_log("delivery")
        self._failures: dict[tuple[str, str], tuple[float, str]] = {}

    def close(self) -> None:
        """Let the threads go.  May be called again."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def policy_for(self, domain: str, record: Answer, say: Say) -> StsPolicy | None:
        """record: the TXT answer of `_mta-sts.<domain>`.  say: takes each step in words."""
        kept = await self._kept(domain)
        policy_id = find_policy_id(_texts(record))
        if policy_id is None:
            if kept is not None:
                say(f"MTA-STS: no record, the kept policy holds (mode {kept.mode})")
            return kept
        if kept is not None and self._is_current(kept, policy_id):
            say(f"MTA-STS: policy {policy_id} is known (mode {kept.mode})")
            return kept
        return await self._fetched(domain, policy_id, say) or self._fall_back(kept, say)

    async def _kept(self, domain: str) -> StsPolicy | None:
        policy = await self._in_pool(lambda: self._policies.read_sts_policy(domain))
        if policy is None:
            return None
        if policy.fetched_at_s + policy.max_age_s > self._clock():
            return policy
        await self._in_pool(lambda: self._policies.forget_sts_policy(domain))
        return None

    def _is_current(self, kept: StsPolicy, policy_id: str) -> bool:
        age_s = self._clock() - kept.fetched_at_s
        return kept.policy_id == policy_id and 0 <= age_s < min(REFRESH_S, kept.max_age_s / 2)

    async def _fetched(self, domain: str, policy_id: str, say: Say) -> StsPolicy | None:
        failed_at_s, why = self._failures.get((domain, policy_id), (-PAUSE_S, ""))
        if 0 <= self._clock() - failed_at_s < PAUSE_S:
            say(f"MTA-STS: the policy could not be fetched a moment ago: {why}")
            return None
        try:
            octets = await self._fetch.fetch(domain)
            policy = parse_policy(octets, domain=domain, policy_id=policy_id, now_s=self._clock())
        except (CannotFetch, BadPolicy) as error:
            self._note_failure(domain, policy_id, str(error))
            say(f"MTA-STS: the policy cannot be had: {error}")
            return None
        await self._in_pool(lambda: self._policies.write_sts_policy(policy))
        say(f"MTA-STS: fetched policy {policy_id} (mode {policy.mode})")
        return policy

    def _note_failure(self, domain: str, policy_id: str, why: str) -> None:
        if len(self._failures) >= MAX_FAILURES_KEPT:
            self._failures.clear()
        self._failures[domain, policy_id] = (self._clock(), why)
        self._log.warning("MTA-STS policy cannot be had", domain=domain, why=why)

    def _fall_back(self, kept: StsPolicy | None, say: Say) -> StsPolicy | None:
        if kept is not None:
            say(f"MTA-STS: the kept policy {kept.policy_id} holds (mode {kept.mode})")
        return kept

    async def _in_pool(self, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


def _texts(record: Answer) -> list[bytes]:
    if not isinstance(record, Found):
        return []
    return [b"".join(one.strings) for one in record.records if isinstance(one, TXT)]
