"""The delivery agent: carries out what `dispatch` decides, on the loop.

    wake-up, timers --> Dispatch --orders--> leases, connections, settlements
                           ^                        |
                           +------- facts ----------+

Everything happens on the loop's own thread, by call-backs: no task and no
future for a message.  What is durable goes through the committer (`leases`).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from typing import Final, assert_never

from mailserver.lists.addresses import PREFIX_OF_HOP
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.queue import QueuedMessage
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AgentId
from smtp_relay.delivery.agent.leases import Leasing, ReadAhead, Settler
from smtp_relay.delivery.agent.means import Means, OpenConnection
from smtp_relay.delivery.agent.unoffered import Unoffered
from smtp_relay.delivery.client.connection import Connection
from smtp_relay.delivery.plan import Resolution, Unroutable
from smtp_relay.delivery.schedule.dispatch import Dispatch
from smtp_relay.delivery.schedule.orders import (
    Ask,
    Close,
    Give,
    Note,
    Open,
    Order,
    RecipientBatch,
    Resolve,
    Result,
    Settle,
    Warn,
)
from smtp_relay.delivery.schedule.outcomes import (
    excess_of,
    may_any_go_on,
    onward_of,
    result_of,
    trouble_of,
)
from smtp_relay.delivery.verdicts import (
    ConnectionFacts,
    ConnectionFailure,
    Phase,
    Transaction,
    Verdict,
)

LOOK_AT_MOST_S: Final = 0.02  # each commit of the receiving side wakes us
POLL_S: Final = 1.0
TICK_S: Final = 0.1
DUE_MARGIN: Final = 200
_WAKEUP_OCTETS: Final = 65_536

_BUG = Unroutable(
    next_hop="", is_permanent=False, status="4.3.0", words="the way could not be looked up"
)


class Agent:
    """One per process.  `start` on the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agent_id: AgentId,
        dispatch: Dispatch,
        means: Means,
    ) -> None:
        self._loop = loop
        self._agent_id = agent_id
        self._dispatch = dispatch
        self._means = means
        self._log = get_log("delivery")
        self._connections: dict[int, AgentConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settler = Settler(
            loop,
            agent_id,
            means.writer,
            wall_s=means.wall_s,
            told=means.told,
            settled=self._settled,
        )
        self._unoffered = Unoffered(means, self._settler)
        self._messages = ReadAhead(means.store)
        self._leasing = Leasing(loop, agent_id, dispatch, means, self._messages, run=self._run)
        self._is_running = False
        self._is_draining = False
        self._is_look_planned = False
        self._looked_at_s = 0.0
        self._wakeup_fd = -1

    # --- life ------------------------------------------------------------------------

    def start(self) -> None:
        self._wakeup_fd = self._means.store.wakeup_fd()
        self._loop.add_reader(self._wakeup_fd, self._woken)
        self._tick()

    def drain(self) -> None:
        """Lease nothing more; finish what is on connections."""
        if self._is_draining:
            return
        self._is_draining = True
        self._loop.remove_reader(self._means.store.wakeup_fd())
        self._dispatch.drain()
        for connection in self._connections.values():
            connection.stop_opening()
        self._run()

    def abort(self) -> None:
        """Cut every connection; what was on the wire is deferred."""
        for connection in tuple(self._connections.values()):
            connection.abort()

    @property
    def is_done(self) -> bool:
        """After `drain`: nothing is on the way any more, neither out nor to the disk."""
        return not (self._connections or self._leasing.open_count) and self._settler.is_done

    @property
    def counters(self) -> Counter[str]:
        return self._settler.counters

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    @property
    def held_count(self) -> int:
        return self._dispatch.lease_budget.held_count

    # --- what is due -------------------------------------------------------------------

    def _woken(self) -> None:
        try:
            os.read(self._wakeup_fd, _WAKEUP_OCTETS)
        except BlockingIOError:
            return  # another process was faster
        if not self._is_look_planned:
            self._is_look_planned = True
            wait_s = self._looked_at_s + LOOK_AT_MOST_S - self._loop.time()
            self._loop.call_later(max(0.0, wait_s), self._look)

    def _look(self) -> None:
        if self._is_look_planned:  # somebody woke us: a deposit may owe a report, too
            self._means.told()
        self._is_look_planned = False
        self._looked_at_s = self._loop.time()
        if self._is_draining:
            return
        limit = self._dispatch.destination_count + DUE_MARGIN
        try:
            found = self._means.store.due_destinations(now_s=self._means.wall_s(), limit=limit)
        except StoreError as error:
            self._log.warning("the queue could not be read", error=str(error))
            return
        lists = [one for one in found if one.next_hop.startswith(PREFIX_OF_HOP)]
        if lists:
            self._means.expand(lists)
            found = [one for one in found if not one.next_hop.startswith(PREFIX_OF_HOP)]
        self._dispatch.due(found, self._loop.time())
        self._run()

    def _tick(self) -> None:
        if self._is_draining:
            return
        now_s = self._loop.time()
        self._dispatch.tick(now_s)
        self._run()
        if now_s - self._looked_at_s >= POLL_S:
            self._look()
        self._loop.call_later(POLL_S if self._dispatch.is_at_rest else TICK_S, self._tick)

    # --- orders ---------------------------------------------------------------------------

    def _run(self) -> None:
        """Carry out orders until there are none; facts that come meanwhile are among them."""
        if self._is_running:
            return
        self._is_running = True
        try:
            while orders := self._dispatch.take_orders():
                for order in orders:
                    self._carry_out(order)
        finally:
            self._is_running = False
        self._settler.flush()

    def _carry_out(self, order: Order) -> None:
        match order:
            case Give():
                self._give(order.number, order.batch)
            case Ask():
                self._leasing.ask(order)
            case Open():
                self._connections[order.number] = AgentConnection(
                    self, self._means.open_connection, order
                )
                self._spawn(self._connections[order.number].open())
            case Close():
                self._connections[order.number].close()
            case Resolve():
                self._spawn(self._find(order))
            case Settle():
                self._unoffered.settle(order)
            case Note():
                self._leasing.note(order)
            case Warn():
                self._log.warning(order.event, host=order.host, words=order.words)
            case _:
                assert_never(order)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find(self, order: Resolve) -> None:
        resolution: Resolution = _BUG
        try:
            resolution = await self._means.resolutions.find(order.next_hop)
        except Exception as error:  # noqa: BLE001 - the top of a task
            self._log.error("next hop not resolved", next_hop=order.next_hop, exc_info=error)
        self._dispatch.resolved(order.destination_id, resolution, self._loop.time())
        self._run()

    # --- transactions -------------------------------------------------------------------------

    def _give(self, number: int, batch: RecipientBatch) -> None:
        message = self._opened(batch)
        if message is None:
            self._dispatch.transaction_done(number, batch, Result.OURS, self._loop.time())
            return
        sender = batch.copies[0].sender
        if sender is not None and self._means.head_for is not None:
            message.head = self._means.head_for(message, sender)
        self._connections[number].offer(Transaction(message=message, copies=batch.copies), batch)

    def _opened(self, batch: RecipientBatch) -> QueuedMessage | None:
        """None: our store does not give it, or no server has to take it; that is settled."""
        try:
            message = self._messages.open(batch.message_id)
        except StoreError as error:
            self._unoffered.not_read(batch, error)
            return None
        if message is None:
            self._unoffered.not_read(batch, None)
        elif message.has_nul:
            self._unoffered.has_nul(batch, message)
            return None
        return message

    def transaction_done(
        self,
        connection: AgentConnection,
        transaction: Transaction,
        batch: RecipientBatch,
        verdicts: Sequence[Verdict],
    ) -> None:
        """Called by a connection; the transaction's message is closed here."""
        transaction.message.close()
        now_s, wall_s, facts = self._loop.time(), self._means.wall_s(), connection.facts
        goes_on = may_any_go_on(verdicts) and self._dispatch.has_next_host(
            connection.number, batch, now_s
        )
        relayed, others = self._means.judge.outcomes(
            transaction, verdicts, facts, wall_s, goes_on=goes_on
        )
        self._settler.add(others, relayed)
        self._dispatch.transaction_done(
            connection.number,
            batch,
            result_of(verdicts),
            now_s,
            excess=excess_of(transaction, verdicts),
            onward=onward_of(transaction, verdicts, facts, wall_s) if goes_on else (),
            trouble=trouble_of(verdicts, facts),
        )
        self._run()

    def transaction_not_taken(self, connection: AgentConnection, batch: RecipientBatch) -> None:
        self._dispatch.transaction_not_taken(connection.number, batch)

    def connection_opened(self, connection: AgentConnection) -> None:
        self._dispatch.connection_opened(connection.number, self._loop.time())
        self._run()

    def connection_ended(
        self,
        connection: AgentConnection,
        failure: ConnectionFailure | None,
        untouched: Sequence[RecipientBatch],
    ) -> None:
        del self._connections[connection.number]
        self._dispatch.connection_ended(connection.number, failure, untouched, self._loop.time())
        self._run()

    def _settled(self, copy_count: int) -> None:
        self._dispatch.settled(copy_count, self._loop.time())
        self._run()


class AgentConnection:
    """Opened in a task of its own, then call-backs; knows each transaction's batch, in order."""

    def __init__(self, owner: Agent, open_connection: OpenConnection, order: Open) -> None:
        self.number = order.number
        self.facts = ConnectionFacts(hop=order.hop, address=order.address, tls="")
        self._owner = owner
        self._open_connection = open_connection
        self._order = order
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._load: deque[tuple[Transaction, RecipientBatch]] = deque()

    async def open(self) -> None:
        """Told to the owner either as opened or as lost."""
        self._task = asyncio.current_task()
        try:
            connection = await self._open_connection(self._order, self)
        except ConnectionFailure as failure:
            self._owner.connection_ended(self, failure, ())
            return
        except asyncio.CancelledError:
            self._owner.connection_ended(self, None, ())
            return
        except Exception as error:  # noqa: BLE001 - the top of a task
            get_log("delivery").error("connection not opened", exc_info=error)
            ours = _ended(Phase.CONNECT, "4.3.0", "our own failure, see the log")
            self._owner.connection_ended(self, ours, ())
            return
        if not connection.has_room:  # it ended before this task had its turn
            self._owner.connection_ended(
                self, _ended(Phase.GREETING, "4.4.2", "the host hung up"), ()
            )
            return
        self._task, self._connection, self.facts = None, connection, connection.facts
        self._owner.connection_opened(self)
        if self._is_closing:
            connection.close()

    def offer(self, transaction: Transaction, batch: RecipientBatch) -> None:
        connection = self._connection
        if connection is None or not connection.has_room:
            # It is being lost, or takes no more: what is offered goes elsewhere.
            transaction.message.close()
            self._owner.transaction_not_taken(self, batch)
            return
        self._load.append((transaction, batch))
        connection.offer(transaction)

    def close(self) -> None:
        """When what it carries is through."""
        self._is_closing = True
        if self._connection is not None:
            self._connection.close()

    def stop_opening(self) -> None:
        if self._connection is None and self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        self.stop_opening()
        if self._connection is not None:
            self._connection.abort()

    # --- as the connection's listener --------------------------------------------------------

    def transaction_done(
        self, _connection: Connection, transaction: Transaction, verdicts: list[Verdict]
    ) -> None:
        _, batch = self._load.popleft()
        self._owner.transaction_done(self, transaction, batch, verdicts)

    def connection_ended(
        self,
        _connection: Connection,
        failure: ConnectionFailure | None,
        untouched: list[Transaction],
    ) -> None:
        assert len(untouched) == len(self._load)
        for transaction, _ in self._load:
            transaction.message.close()
        self._owner.connection_ended(self, failure, [batch for _, batch in self._load])


def _ended(phase: Phase, status: str, words: str) -> ConnectionFailure:
    return ConnectionFailure(phase=phase, status=status, words=words)
