"""From a next hop to its resolution, kept for as long as its look-ups hold.

    next hop      by
    route:NAME    the rule's host                       (`resolve.rule`)
    [address]     itself                                (`resolve.mx`)
    domain        MX, TLS policies, rules by MX host    (`resolve.mx`)

A resolution that is known costs one look into a dict.  Whoever asks for one that is
being found waits for the same search.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from mailserver.routing.ourselves import IsOurs, find_own
from mailserver.routing.rules import ROUTE_PREFIX
from mailserver.settings.model import Settings
from mailserver.store.ports.policies import Policies
from mailserver.telemetry.dane import DaneState, dane_words
from mailserver.telemetry.log import Log, get_log
from smtp_relay.delivery.dns.answers import Resolver
from smtp_relay.delivery.dns.inquiry import Inquiry
from smtp_relay.delivery.dns.resolver import CachingResolver
from smtp_relay.delivery.dns.validation import Validation
from smtp_relay.delivery.plan import DeliveryPlan, Resolution
from smtp_relay.delivery.resolve.mx import MxFinder
from smtp_relay.delivery.resolve.rule import RouteFinder
from smtp_relay.delivery.security.sts_fetch import HTTPS_PORT, HttpsPolicies
from smtp_relay.delivery.security.sts_keeper import StsKeeper

FLOOR_S: Final = 10.0  # a hop is not resolved more often
MAX_RESOLUTIONS: Final = 20_000
_STORE_THREADS: Final = 2

Clock = Callable[[], float]


class HopResolver:
    """One per process, on its loop.  `close` it there."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        *,
        validation: Validation,
        sts: StsKeeper | None,
        is_ours: IsOurs,
        clock: Clock = time.monotonic,
        chance: random.Random | None = None,
        log: Log | None = None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._validation = validation
        self._sts = sts
        self._clock = clock
        self._routes = RouteFinder(settings, is_ours=is_ours, log=log or get_log("delivery"))
        self._mx = MxFinder(
            settings,
            routes=self._routes,
            validation=validation,
            sts=sts if settings.delivery.mta_sts else None,
            is_ours=is_ours,
            chance=chance or random.SystemRandom(),
        )
        self._resolutions: dict[str, tuple[float, Resolution]] = {}
        self._finding: dict[str, asyncio.Task[Resolution]] = {}

    async def find(self, next_hop: str) -> Resolution:
        """next_hop: as it stands in the queue.  Never raises for what the network says."""
        known = self._resolutions.get(next_hop)
        if known is not None and known[0] > self._clock():
            return known[1]
        task = self._finding.get(next_hop)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._find_and_keep(next_hop))
            self._finding[next_hop] = task
            task.add_done_callback(lambda _done: self._finding.pop(next_hop, None))
        return await asyncio.shield(task)

    async def fallback(self) -> DeliveryPlan | None:
        """The plan of the fall-back relay; None: there is none, or it cannot be found now."""
        name = self._settings.delivery.fallback
        resolution = await self.find(ROUTE_PREFIX + name) if name else None
        return resolution if isinstance(resolution, DeliveryPlan) else None

    def forget(self, next_hop: str) -> None:
        """Look again at the next `find`: none of its hosts could be reached."""
        self._resolutions.pop(next_hop, None)

    @property
    def dane_state(self) -> DaneState:
        """For the report of the worker, and so for `status`."""
        return self._validation.state if self._settings.delivery.dane else DaneState.OFF_IN_SETTINGS

    @property
    def dane_words(self) -> str:
        """`on`, or `off: why`, with what the resolver said."""
        why = self._validation.why_not if self._settings.delivery.dane else None
        return dane_words(self.dane_state) if why is None else f"off: {why}"

    async def test_resolver(self) -> None:
        """Find out at start whether DANE is on, so that the log says it before any mail waits."""
        if self._settings.delivery.dane:
            await self._validation.is_trusted()

    async def close(self) -> None:
        """Give up what is being looked for.  May be called again."""
        tasks = list(self._finding.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._resolver.close()
        if self._sts is not None:
            self._sts.close()

    async def _find_and_keep(self, next_hop: str) -> Resolution:
        inquiry = Inquiry(self._resolver, lifetime_s=self._settings.dns.lifetime_s)
        if next_hop.startswith(ROUTE_PREFIX):
            resolution: Resolution = await self._routes.find(next_hop, inquiry)
        else:
            resolution = await self._mx.find(next_hop, inquiry)
        until_s = self._clock() + max(inquiry.ttl_s, FLOOR_S)
        if isinstance(resolution, DeliveryPlan):
            resolution = replace(resolution, valid_until_s=until_s)
        self._resolutions.pop(next_hop, None)
        self._resolutions[next_hop] = (until_s, resolution)
        if len(self._resolutions) > MAX_RESOLUTIONS:
            del self._resolutions[next(iter(self._resolutions))]
        return resolution


def open_hop_resolver(
    settings: Settings,
    policies: Policies,
    *,
    https_port: int = HTTPS_PORT,
    https_context: ssl.SSLContext | None = None,
    log: Log | None = None,
) -> HopResolver:
    """The one that asks real name servers.

    policies: called in threads of its own.
    https_port, https_context: where MTA-STS policies are fetched and whom to trust; for tests.
    """
    resolver = CachingResolver(settings.dns, tells_bogus=True)
    # Where DANE is not wanted nobody is to be warned that it is off.
    validates = settings.dns.validates if settings.delivery.dane else "no"
    validation = Validation(resolver, servers=resolver.servers, validates=validates, log=log)
    fetch = HttpsPolicies(
        resolver=resolver,
        port=https_port,
        context=https_context,
        internal=settings.delivery.internal_networks,
    )
    pool = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="policies")
    return HopResolver(
        settings,
        resolver,
        validation=validation,
        sts=StsKeeper(policies, fetch, pool=pool, log=log),
        is_ours=find_own(settings),
        log=log,
    )
