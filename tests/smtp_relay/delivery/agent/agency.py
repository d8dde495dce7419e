"""An agent over a real store and real connections; name servers are a table."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mailserver.queue.schedule import Schedule
from mailserver.store.commit import Committer, Done
from mailserver.store.open import open_store
from mailserver.store.ports.operators import QueuedCopy, QueueFilter
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Outcome
from mailserver.values.ids import AgentId
from mailserver.values.message import Acceptance
from smtp_relay.delivery.agent.agent import Agent
from smtp_relay.delivery.agent.means import Means, OpenConnection, Resolutions
from smtp_relay.delivery.client.connection import Connection, ConnectionListener, open_connection
from smtp_relay.delivery.client.options import ConnectionOptions, Times
from smtp_relay.delivery.client.trust import Contexts, make_contexts
from smtp_relay.delivery.lists.one_click import HeadFor
from smtp_relay.delivery.plan import DeliveryPlan, Hop, Resolution, TlsDemand, TlsLevel, Unroutable
from smtp_relay.delivery.schedule.dispatch import Dispatch
from smtp_relay.delivery.schedule.orders import Limits, Open
from smtp_relay.delivery.schedule.outcomes import Judge
from tests.smtp_relay.delivery.peers import LOOPBACK
from tests.smtp_relay.inbound.house import make_settings
from tests.store.template import put_new_store

SCHEDULE = Schedule(
    retry_after_s=(300.0, 600.0), expire_after_s=432_000.0, notice_after_s=(7200.0,)
)
PATIENCE_S = 20.0
TIMES = Times(greeting_s=5, command_s=5, data_s=5, block_s=5, dot_s=5, quit_s=0.05)


def way_to(next_hop: str, *ports: int) -> DeliveryPlan:
    """Hosts on loopback, in order."""
    tls = TlsDemand(level=TlsLevel.OPPORTUNISTIC, source="opportunistic")
    hops = tuple(
        Hop(host=f"mx{port}.test", addresses=(LOOPBACK,), port=port, tls=tls) for port in ports
    )
    return DeliveryPlan(next_hop=next_hop, site=str(ports), hops=hops, valid_until_s=1e12)


class Table:
    """The resolver: a table; what is not in it is for `others`, else nowhere."""

    def __init__(self, *resolutions: Resolution, others: Resolutions | None = None) -> None:
        self.resolutions = {resolution.next_hop: resolution for resolution in resolutions}
        self.forgotten: list[str] = []
        self._others = others

    async def find(self, next_hop: str) -> Resolution:
        if next_hop not in self.resolutions and self._others is not None:
            return await self._others.find(next_hop)
        nowhere = Unroutable(
            next_hop=next_hop, is_permanent=True, status="5.1.2", words="no such domain"
        )
        return self.resolutions.get(next_hop, nowhere)

    def forget(self, next_hop: str) -> None:
        self.forgotten.append(next_hop)


@dataclass(slots=True)
class Clock:
    """Unix time, turned by hand."""

    now_s: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(slots=True, kw_only=True)
class Agency:
    """One agent at work.  told_count: how often reports were said to be owed."""

    store: Store
    agent: Agent
    agent_id: AgentId
    table: Table
    clock: Clock
    told: list[int] = field(default_factory=list)

    def accept(self, *acceptances: Acceptance) -> None:
        self.store.writes.apply(acceptances)

    def queued(self) -> list[QueuedCopy]:
        return self.store.queue.list_queue(QueueFilter(), after=None, limit=1000)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the agent, however long the machine takes."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - what is looked at is a database
                await asyncio.sleep(0.005)

    async def until_empty(self) -> None:
        await self.until(lambda: not self.queued())

    async def until_settled(self) -> None:
        """Nothing is leased, and everything was tried."""
        try:
            await self.until(lambda: not self.unsettled())
        except TimeoutError:
            raise AssertionError(f"neither settled nor given up: {self.unsettled()}") from None

    def unsettled(self) -> list[str]:
        return [
            f"{copy.recipient} {copy.lane.name}"
            for copy in self.queued()
            if not copy.attempt_count or copy.lane.name != "WAITING"
        ]


@contextlib.asynccontextmanager
async def open_agency(
    folder: Path,
    *resolutions: Resolution,
    limits: Limits | None = None,
    clock: Clock | None = None,
    is_still_ours: Callable[[], bool] = lambda: True,
    others: Resolutions | None = None,
    times_of: Callable[[Hop], Times] = lambda _hop: TIMES,
    trust: Contexts | None = None,
    head_for: HeadFor | None = None,
) -> AsyncIterator[Agency]:
    """Everything but the process.  others: finds the ways that are not in `resolutions`."""
    loop = asyncio.get_running_loop()
    clock = clock or Clock()
    settings = make_settings(folder, {})
    put_new_store(settings.store.path)
    store = open_store(settings)

    def deliver(batch: list[tuple[Done, Outcome]]) -> None:
        loop.call_soon_threadsafe(lambda: [done(outcome) for done, outcome in batch])

    committer = Committer(store.writes, deliver=deliver, on_broken=lambda: None)
    committer.start()
    options = ConnectionOptions(
        hostname="us.test", contexts=trust or make_contexts(), is_still_ours=is_still_ours
    )
    table = Table(*resolutions, others=others)
    told: list[int] = []
    means = Means(
        store=store.queue,
        writer=committer,
        resolutions=table,
        open_connection=_opener(loop, options, times_of),
        judge=Judge(SCHEDULE, lambda: 0.5),
        wall_s=clock,
        told=lambda: told.append(1),
        head_for=head_for,
    )
    agent_id = store.queue.register_agent(now_s=clock(), until_s=clock() + 60)
    agent = Agent(loop, agent_id, Dispatch(limits or Limits(idle_s=0.05)), means)
    agency = Agency(
        store=store, agent=agent, agent_id=agent_id, table=table, clock=clock, told=told
    )
    agent.start()
    try:
        yield agency
    finally:
        agent.drain()
        agent.abort()
        await agency.until(lambda: agent.is_done)
        leased_count = sum(one.leased_count for one in store.queue.list_destinations())
        assert agent.held_count == leased_count  # what it answers for is what it has leased
        committer.stop()
        store.queue.resign_agent(agent_id)
        store.close()


def _opener(
    loop: asyncio.AbstractEventLoop, options: ConnectionOptions, times_of: Callable[[Hop], Times]
) -> OpenConnection:
    async def opened(order: Open, listener: ConnectionListener) -> Connection:
        return await open_connection(
            order.hop,
            order.address,
            protocol=order.plan.protocol,
            login=order.plan.login,
            options=replace(options, times=times_of(order.hop)),
            loop=loop,
            listener=listener,
            may_pipeline=order.may_pipeline,
            may_be_ourselves=not order.plan.is_by_dns,
        )

    return opened
