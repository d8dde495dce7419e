"""The delivery agent's process: `prepare` before the fork, `serve` after it.

See `mailserver.supervisor.contract`.  It runs until:

    told by               what happens
    SIGTERM, SIGINT       no new lease; what is on connections is finished, for at most DRAIN_S;
                          settled, and the rest of the leases is given back
    `life_fd` at its end  the parent is gone: the same; what remotes have answered must be
                          written down, or it would be sent again
    a broken disk         stop with status 75 (EX_TEMPFAIL)
    its leases were       stop with status 75: another agent holds what was its own
    taken over

The first worker also keeps the time and makes reports.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import uvloop

from mailserver.dkim.signer import Signer, open_signer, signing_report
from mailserver.routing.relaying import make_schedule
from mailserver.settings.model import Settings
from mailserver.store.clock import ServiceClock
from mailserver.store.commit import Committer, deliver_by
from mailserver.store.open import open_store
from mailserver.store.ports.errors import StoreBroken
from mailserver.store.ports.queue import LEASE_S
from mailserver.supervisor import contract
from mailserver.supervisor.upkeep import Upkeep
from mailserver.telemetry.log import get_log
from mailserver.telemetry.reports import DANE_STATE, source_name
from mailserver.values.ids import AgentId, make_accept_id
from smtp_relay.delivery.agent.agent import Agent
from smtp_relay.delivery.agent.leases import Tenure
from smtp_relay.delivery.agent.means import Means, OpenConnection
from smtp_relay.delivery.agent.timekeeper import SLICE_COPIES, Timekeeper
from smtp_relay.delivery.client.connection import Connection, ConnectionListener, open_connection
from smtp_relay.delivery.client.options import ConnectionOptions, make_times
from smtp_relay.delivery.client.trust import Contexts, make_contexts
from smtp_relay.delivery.dns.resolver import CachingResolver
from smtp_relay.delivery.lists.dmarc import AuthorPolicies
from smtp_relay.delivery.lists.expander import Expander
from smtp_relay.delivery.lists.one_click import open_one_click
from smtp_relay.delivery.lists.post import make_list_context
from smtp_relay.delivery.reports.reporter import Reporter
from smtp_relay.delivery.resolve.hop_resolver import open_hop_resolver
from smtp_relay.delivery.schedule.dispatch import Dispatch
from smtp_relay.delivery.schedule.orders import Limits, Open
from smtp_relay.delivery.schedule.outcomes import Judge

DOOR: Final = "delivery"
REPORT_S: Final = 5.0
BEAT_S: Final = 1.0
OVERDUE_S: Final = 30.0
REPORTER_S: Final = 60.0
DRAIN_CHECK_S: Final = 0.05
SETTLE_S: Final = 2.0  # of the drain time: kept for the outcomes of what was cut
EX_TEMPFAIL: Final = 75
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the parent made and all its workers share."""

    contexts: Contexts
    signer: Signer | None


def prepare(settings: Settings) -> Prepared:
    """
    Raises:
        OSError, ssl.SSLError: the system's trust, or a key of ours, cannot be read.
    """
    return Prepared(make_contexts(), open_signer(settings))


def serve(prepared: Prepared, context: contract.WorkerContext) -> None:
    """Run until told to stop.

    Raises:
        StoreError, OSError: the store cannot be opened.
    """
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, prepared, context)
    try:
        loop.run_until_complete(worker.run())
    finally:
        worker.close()
        loop.close()


def make_limits(settings: Settings) -> Limits:
    delivery = settings.delivery
    return Limits(
        max_connections=delivery.max_connections,
        site_connections=delivery.destination_connections,
        site_pause_s=delivery.destination_pause_s,
        max_recipients=delivery.max_recipients,
        max_messages=delivery.max_messages,
        max_hosts=delivery.max_hosts,
        idle_s=delivery.idle_s,
        fallback=delivery.fallback,
    )


class Worker:
    """One process of this door, on its own loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, prepared: Prepared, context: contract.WorkerContext
    ) -> None:
        settings = context.settings
        self._loop = loop
        self._context = context
        self._log = get_log("delivery")
        self._stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._upkeep = Upkeep(loop.call_later, log=self._log, whose="the delivery agent")
        self._store = open_store(settings)
        self._committer = Committer(
            self._store.writes,
            deliver=deliver_by(loop.call_soon_threadsafe),
            on_broken=self._broken_from_thread,
        )
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="agent")
        self._report_pool = ThreadPoolExecutor(1, thread_name_prefix="reports")
        self._schedule = make_schedule(settings.delivery)
        self._tenure = Tenure(self._store.queue, wall_s=time.time, clock_s=time.monotonic)
        self._hop_resolver = open_hop_resolver(settings, self._store.policies)
        self._reporter = Reporter(
            settings=settings,
            store=self._store,
            submit=self._committer.submit,
            pool=self._report_pool,
            wall_s=time.time,
            on_broken=self._broken_from_thread,
            sign=prepared.signer.sign_pieces if prepared.signer else None,
        )
        self._timekeeper = Timekeeper(
            self._store.queue,
            self._schedule,
            submit=self._committer.submit,
            told=lambda _outcome: self._reporter.notify(),
            wall_s=time.time,
            ends_s=ServiceClock(self._store.clock).ends_s,
        )
        agent_id = self._tenure.begin()
        self._list_pool = ThreadPoolExecutor(1, thread_name_prefix="lists")
        self._dns = CachingResolver(settings.dns)
        self._expander = self._make_expander(agent_id, prepared.signer)
        self._signing = signing_report(prepared.signer)
        self._agent = self._make_agent(agent_id, prepared)

    def _make_expander(self, agent_id: AgentId, signer: Signer | None) -> Expander:
        settings, store = self._context.settings, self._store
        return Expander(
            store=store,
            submit=self._committer.submit,
            agent_id=agent_id,
            pool=self._list_pool,
            context=make_list_context(
                settings, open_spool=store.bodies.open_spool, signer=signer, outsiders=store.people
            ),
            is_strict=AuthorPolicies(self._loop, self._dns).is_strict,
            make_id=lambda: make_accept_id(time.time(), os.urandom(9)),
            wall_s=time.time,
            ends_s=ServiceClock(store.clock).ends_s,
            told=self._reporter.notify,
            on_broken=self._broken_from_thread,
        )

    def _make_agent(self, agent_id: AgentId, prepared: Prepared) -> Agent:
        settings = self._context.settings
        options = ConnectionOptions(
            hostname=settings.service.hostname,
            contexts=prepared.contexts,
            is_still_ours=self._tenure.is_still_ours,
            times=make_times(settings.delivery),
            source_addresses=settings.delivery.source_addresses,
        )
        means = Means(
            store=self._store.queue,
            writer=self._committer,
            resolutions=self._hop_resolver,
            open_connection=_opener(self._loop, options),
            judge=Judge(self._schedule, random.random),
            wall_s=time.time,
            told=self._reporter.notify,
            expand=self._expander.due,
            head_for=open_one_click(settings, self._store.lists, prepared.signer, time.time),
        )
        return Agent(self._loop, agent_id, Dispatch(make_limits(settings)), means)

    async def run(self) -> None:
        """Deliver, and return when drained."""
        self._committer.start()
        self._loop.add_reader(self._context.life_fd, self._life_ended)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopped.set)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: None)
        self._store.queue.take_over(now_s=time.time(), clock_s=time.monotonic())
        self._agent.start()
        self._begin_upkeep()
        self._context.beat()
        self._report()
        await self._stopped.wait()
        await self._drain()
        self._upkeep.stop()
        for task in self._tasks:
            task.cancel()
        await self._dns.close()
        await self._hop_resolver.close()

    def close(self) -> None:
        """Write what waits, give back what is left, then let go of everything."""
        self._reporter.stop()
        self._list_pool.shutdown(wait=self._expander.is_resting, cancel_futures=True)
        self._report_pool.shutdown(wait=True)
        self._pool.shutdown(wait=True)
        self._committer.stop()
        self._tenure.end()
        self._store.close()

    # --- upkeep -------------------------------------------------------------------

    def _begin_upkeep(self) -> None:
        self._tasks.append(self._loop.create_task(self._test_resolver()))
        self._upkeep.every(BEAT_S, self._context.beat)
        self._upkeep.every(REPORT_S, self._report)
        self._upkeep.every(LEASE_S / 3, lambda: self._in_pool(self._renew))
        self._upkeep.every(LEASE_S / 2, lambda: self._in_pool(self._take_over))
        if self._context.index == 0:
            self._tasks.append(self._loop.create_task(self._keep_time()))
            self._upkeep.every(REPORTER_S, self._reporter.notify)
            self._reporter.notify()

    async def _test_resolver(self) -> None:
        """Beside the mail: what goes by a route need not wait for a name server that is silent."""
        await self._hop_resolver.test_resolver()
        self._report()

    def _in_pool(self, act: Callable[[], None]) -> None:
        self._pool.submit(self._guarded, act)

    def _guarded(self, act: Callable[[], Found]) -> Found | None:
        try:
            return act()
        except StoreBroken:
            self._broken_from_thread()
        except Exception as error:  # noqa: BLE001 - the top of a thread's work
            self._log.error("upkeep of the delivery agent failed", exc_info=error)
        return None

    def _renew(self) -> None:
        if not self._tenure.renew():
            self._log.error("another agent has taken over what this one held; it ends")
            self._end_from_thread()

    def _take_over(self) -> None:
        if count := self._store.queue.take_over(now_s=time.time(), clock_s=time.monotonic()):
            self._log.warning("copies of an agent that is gone are due again", count=count)

    async def _keep_time(self) -> None:
        """A slice at a time: what renews the leases and reports waits in the same pool."""
        look = self._timekeeper.look
        while True:
            count = await self._loop.run_in_executor(self._pool, self._guarded, look)
            # A slice must be on disk before the next one is read.
            await asyncio.sleep(REPORT_S if count == SLICE_COPIES else OVERDUE_S)

    def _report(self) -> None:
        counters = {name: float(value) for name, value in self._agent.counters.items()}
        counters |= {
            "open_connections": self._agent.connection_count,
            "leased": self._agent.held_count,
        }
        counters[DANE_STATE] = self._hop_resolver.dane_state
        counters |= self._signing
        source = source_name(DOOR, self._context.index)
        self._context.tell(counters)
        self._in_pool(lambda: self._store.counters.report(source, counters, now_s=time.time()))

    # --- ending -------------------------------------------------------------------

    async def _drain(self) -> None:
        """What is on connections comes through, for at most DRAIN_S; the rest is cut off."""
        deadline_s = self._loop.time() + contract.DRAIN_S - SETTLE_S
        self._agent.drain()
        self._expander.stop()
        await self._wait_until_done(deadline_s)
        if not self._agent.is_done:
            self._agent.abort()
            await self._wait_until_done(deadline_s + SETTLE_S / 2)

    async def _wait_until_done(self, deadline_s: float) -> None:
        while self._loop.time() < deadline_s:
            if self._agent.is_done and self._expander.is_resting:
                return
            await asyncio.sleep(DRAIN_CHECK_S)

    def _life_ended(self) -> None:
        if not os.read(self._context.life_fd, 1):
            self._loop.remove_reader(self._context.life_fd)
            self._stopped.set()

    def _broken_from_thread(self) -> None:
        self._log.error("the store's disk failed, this process ends")
        self._end_from_thread()

    def _end_from_thread(self) -> None:
        os._exit(EX_TEMPFAIL)  # nothing that this process believes is safe to act on


def _opener(loop: asyncio.AbstractEventLoop, options: ConnectionOptions) -> OpenConnection:
    async def opened(order: Open, listener: ConnectionListener) -> Connection:
        return await open_connection(
            order.hop,
            order.address,
            protocol=order.plan.protocol,
            login=order.plan.login,
            options=options,
            loop=loop,
            listener=listener,
            may_pipeline=order.may_pipeline,
            may_be_ourselves=not order.plan.is_by_dns,
        )

    return opened
