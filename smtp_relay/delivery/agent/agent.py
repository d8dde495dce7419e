"""The delivery agent: carries out what `dispatch` decides, on the loop.

    wake-up, timers --> Dispatch --orders--> leases, connections, settlements
                           ^                        |
                           +------- facts ----------+

Everything happens on the loop's own thread, by call-backs: no task and no
future for a message.  What is durable goes through the committer: leases and
notes from here, what became of copies by way of `settling`.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, Protocol, assert_never

from mailserver.lists.addresses import PREFIX_OF_HOP
from mailserver.store.commit import Submitter
from mailserver.store.ports.bodies import BodyLost
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.queue import (
    DueDestination,
    HopNote,
    Lease,
    Leased,
    LeasedCopy,
    Queue,
    QueuedMessage,
)
from mailserver.store.ports.writes import Outcome
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AgentId, DestinationId
from mailserver.values.message import HOLDS_NUL
from smtp_relay.delivery.agent.connections import AgentConnection, OpenConnection
from smtp_relay.delivery.agent.read_ahead import ReadAhead
from smtp_relay.delivery.agent.settling import Settler
from smtp_relay.delivery.lists.one_click import HeadFor
from smtp_relay.delivery.plan import Resolution, Unroutable
from smtp_relay.delivery.schedule.dispatch import Dispatch
from smtp_relay.delivery.schedule.orders import (
    Ask,
    Close,
    Fate,
    Give,
    Note,
    Open,
    Order,
    RecipientBatch,
    Resolve,
    Result,
    Settle,
    Trouble,
    Warn,
)
from smtp_relay.delivery.schedule.outcomes import (
    Judge,
    excess_of,
    given_back,
    held,
    lost,
    may_any_go_on,
    onward_of,
    result_of,
    trouble_of,
    unroutable,
)
from smtp_relay.delivery.verdicts import ConnectionFailure, Transaction, Verdict

LOOK_AT_MOST_S: Final = 0.02  # each commit of the receiving side wakes us
POLL_S: Final = 1.0
TICK_S: Final = 0.1
DUE_MARGIN: Final = 200
_WAKEUP_OCTETS: Final = 65_536

_HAS_NUL = Trouble(status="5.6.0", words=f"it was not sent: {HOLDS_NUL}")
_NO_BODY = Trouble(status="4.3.0", words="the message could not be read from our own store")
_BUG = Unroutable(
    next_hop="", is_permanent=False, status="4.3.0", words="the way could not be looked up"
)


class Resolutions(Protocol):
    """What the agent asks of the resolver."""

    async def find(self, next_hop: str) -> Resolution: ...

    def forget(self, next_hop: str) -> None:
        """Look again at the next `find`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the agent works with.

    wall_s: Unix time.  told: reports may be owed now, by a settlement or by whoever woke us.
    expand: gets the destinations that are lists; they have no hosts to be found.
    head_for: of a copy that leaves under a sender of its own; None: as it is kept.
    """

    store: Queue
    writer: Submitter
    resolutions: Resolutions
    open_connection: OpenConnection
    judge: Judge
    wall_s: Callable[[], float]
    told: Callable[[], None]
    expand: Callable[[Sequence[DueDestination]], None] = lambda _lists: None
    head_for: HeadFor | None = None


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
        self._messages = ReadAhead(means.store)
        self._open_writes = 0
        self._is_running = False
        self._is_draining = False
        self._is_look_planned = False
        self._looked_at_s = 0.0

    # --- life ------------------------------------------------------------------------

    def start(self) -> None:
        self._loop.add_reader(self._means.store.wakeup_fd(), self._woken)
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
        return not (self._connections or self._open_writes) and self._settler.is_done

    @property
    def counters(self) -> Counter[str]:
        return self._settler.counters

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    @property
    def held_count(self) -> int:
        return self._dispatch.leases.held_count

    # --- what is due -------------------------------------------------------------------

    def _woken(self) -> None:
        try:
            os.read(self._means.store.wakeup_fd(), _WAKEUP_OCTETS)
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
            found = [one for one in found if one not in lists]
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
                self._ask(order.destination_id, order.limit)
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
                self._settle_unsent(order)
            case Note():
                self._note(order)
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

    def _ask(self, destination_id: DestinationId, limit: int) -> None:
        wanted = Lease(
            agent_id=self._agent_id,
            destination_id=destination_id,
            limit=limit,
            now_s=self._means.wall_s(),
        )
        self._write(wanted, lambda outcome: self._leased(destination_id, outcome))

    def _leased(self, destination_id: DestinationId, outcome: Outcome) -> None:
        if isinstance(outcome, Leased):
            next_s = outcome.next_due_at_s
            has_more = next_s is not None and next_s <= self._means.wall_s()
            self._messages.expect(copy.ref.message_id for copy in outcome.copies)
            self._dispatch.leased(
                destination_id, outcome.copies, has_more=has_more, now_s=self._loop.time()
            )
        else:
            self._dispatch.lease_failed(destination_id)

    def _note(self, order: Note) -> None:
        now_s = self._means.wall_s()
        failed = order.failure_count
        judge = self._means.judge
        until_s = judge.schedule.next_try(failed, now_s=now_s, chance=judge.chance())
        note = HopNote(
            destination_id=order.destination_id,
            not_before_s=until_s if failed else 0.0,
            failure_count=failed,
            error=order.error,
            at_s=now_s,
        )
        if failed:
            self._means.resolutions.forget(order.next_hop)
            self._log.info("next hop rests", next_hop=order.next_hop, error=order.error)
        self._write(note, lambda _outcome: self._dispatch.hop_noted(order.destination_id))

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
        trouble, message = _NO_BODY, None
        try:
            message = self._messages.open(batch.message_id)
        except BodyLost as error:  # the store has said so in the log
            self._settler.add(lost(batch.copies, error.fault, self._means.wall_s()))
            return None
        except StoreError as error:
            trouble = replace(_NO_BODY, words=f"{_NO_BODY.words}: {error}")
            self._log.error("message not read", message=batch.message_id, error=str(error))
        wall_s = self._means.wall_s()
        if message is None:
            self._settler.add(self._means.judge.unsent(batch.copies, trouble, wall_s))
        elif message.has_nul:
            message.close()
            self._settler.add(unroutable(batch.copies, _HAS_NUL, message.reverse_path, wall_s))
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

    # --- what is written --------------------------------------------------------------------

    def _settled(self, copy_count: int) -> None:
        self._dispatch.settled(copy_count, self._loop.time())
        self._run()

    def _settle_unsent(self, order: Settle) -> None:
        now_s = self._means.wall_s()
        trouble = order.trouble or _NO_BODY
        match order.fate:
            case Fate.GIVE_BACK:
                self._settler.add(given_back(order.copies, order.trouble, now_s))
                self._settler.flush()  # they may be leased next
            case Fate.HOLD:
                self._settler.add(held(order.copies, trouble.words))
            case Fate.DEFER:
                self._settler.add(self._means.judge.unsent(order.copies, trouble, now_s))
            case Fate.RETURN:
                self._return(order.copies, trouble, now_s)

    def _return(self, copies: Sequence[LeasedCopy], trouble: Trouble, now_s: float) -> None:
        """Whom to tell stands with the message."""
        for message_id, some in groupby(copies, key=lambda copy: copy.ref.message_id):
            try:
                message = self._means.store.open_queued(message_id, without_body=True)
            except StoreError:
                message = None
            if message is None:
                self._settler.add(self._means.judge.unsent(some, _NO_BODY, now_s))
                continue
            message.close()
            self._settler.add(unroutable(some, trouble, message.reverse_path, now_s))

    def _write(self, write: Lease | HopNote, done: Callable[[Outcome], None]) -> None:
        self._open_writes += 1
        self._means.writer.submit(write, lambda outcome: self._written(done, outcome))

    def _written(self, done: Callable[[Outcome], None], outcome: Outcome) -> None:
        self._open_writes -= 1
        done(outcome)
        self._run()
