"""What an agent leases: asked for, its own for how long, read ahead, and what became of it.

`Tenure`: the store's word is good for `LEASE_S`; it is asked again every third of it.  What counts
here is the monotonic clock from before the question, so that a clock that jumps, or a process
that was stopped, never believes too long.

`ReadAhead`: a look into the store costs nearly the same for one small message as for many.  So
what was leased is remembered in its order, and whoever opens a message gets the next ones read
along with it.  Large ones are opened when they are given.

`Settler`: one settlement is under way at a time, and what is decided meanwhile joins the next: a
commit costs nearly the same for one and for many.  None waits for more, because a crash before it
is written sends a copy again (RFC 1047).  A settlement that could not be written is written again:
what a remote took must not be offered twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from mailserver.queue.copies import CopyState
from mailserver.store.commit import Submitter
from mailserver.store.ports.queue import (
    LEASE_S,
    CopyOutcome,
    HopNote,
    Lease,
    Leased,
    QueuedMessage,
    Relayed,
    Settled,
    Settlement,
)
from mailserver.store.ports.writes import Failed, Outcome
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AgentId, DestinationId, MessageId
from smtp_relay.delivery.agent.means import Means
from smtp_relay.delivery.schedule.dispatch import Dispatch
from smtp_relay.delivery.schedule.orders import Ask, Note

MARGIN_S: Final = 5.0
"""Others take over at the end of the lease; what is under way must be through before."""
READ_COUNT: Final = 32
KEPT_COUNT: Final = 2 * READ_COUNT
"""With bodies of at most `SMALL_OCTETS`: 2 MiB."""
EXPECTED_COUNT: Final = 4096
WRITE_AGAIN_S: Final = 1.0
SETTLE_COPIES: Final = 1000

_COUNTED = {
    CopyState.RELAYED: "relayed",
    CopyState.RETURNED: "returned",
}


class Agents(Protocol):
    def register_agent(self, *, now_s: float, until_s: float) -> AgentId: ...

    def renew_agent(self, agent_id: AgentId, *, until_s: float) -> bool: ...

    def resign_agent(self, agent_id: AgentId) -> None: ...


class Tenure:
    """`renew` and `end` may block; `is_still_ours` is asked before each final dot."""

    def __init__(
        self, agents: Agents, *, wall_s: Callable[[], float], clock_s: Callable[[], float]
    ) -> None:
        self._agents = agents
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._agent_id: AgentId | None = None
        self._until_s = 0.0

    def begin(self) -> AgentId:
        began_s, now_s = self._clock_s(), self._wall_s()
        self._agent_id = self._agents.register_agent(now_s=now_s, until_s=now_s + LEASE_S)
        self._until_s = began_s + LEASE_S - MARGIN_S
        return self._agent_id

    def renew(self) -> bool:
        """False: it was taken over; nothing that it held is its own any more."""
        assert self._agent_id is not None
        began_s = self._clock_s()
        if not self._agents.renew_agent(self._agent_id, until_s=self._wall_s() + LEASE_S):
            self._until_s = 0.0
            return False
        self._until_s = began_s + LEASE_S - MARGIN_S
        return True

    def is_still_ours(self) -> bool:
        return self._clock_s() < self._until_s

    def end(self) -> None:
        if self._agent_id is not None:
            self._agents.resign_agent(self._agent_id)


class Messages(Protocol):
    """What this asks of the store."""

    def open_queued(self, message_id: MessageId, /) -> QueuedMessage | None: ...

    def read_small(self, message_ids: Sequence[MessageId]) -> list[QueuedMessage]: ...


class ReadAhead:
    """Of one agent, on its loop."""

    def __init__(self, store: Messages) -> None:
        self._store = store
        self._expected: deque[MessageId] = deque(maxlen=EXPECTED_COUNT)
        self._read: dict[MessageId, QueuedMessage] = {}

    def expect(self, message_ids: Iterable[MessageId]) -> None:
        """They were leased, and will be opened in about this order; or never."""
        for message_id in message_ids:
            if not self._expected or self._expected[-1] != message_id:
                self._expected.append(message_id)

    def open(self, message_id: MessageId) -> QueuedMessage | None:
        """As `Queue.open_queued`: each caller gets a message of its own.

        Raises:
            StoreError: the store cannot be read.
        """
        if message_id not in self._read:
            self._read_on(message_id)
        found = self._read.pop(message_id, None)
        return self._store.open_queued(message_id) if found is None else found

    def _read_on(self, message_id: MessageId) -> None:
        """This one, and some that are expected."""
        wanted = {message_id: None}
        while self._expected and len(wanted) < READ_COUNT:
            wanted[self._expected.popleft()] = None
        for message in self._store.read_small(list(wanted)):
            self._read[message.message_id] = message
        while len(self._read) > KEPT_COUNT:
            del self._read[next(iter(self._read))]


class Settler:
    """Of one agent, on its loop.

    counters: relayed, deferred, returned; lost: not ours any more when it was written.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agent_id: AgentId,
        writer: Submitter,
        *,
        wall_s: Callable[[], float],
        told: Callable[[], None],
        settled: Callable[[int], None],
    ) -> None:
        """
        told: a settlement that is on disk owes a report.
        settled: gets the count of copies of each settlement that is on disk.
        """
        self.counters: Counter[str] = Counter(relayed=0, deferred=0, returned=0, lost=0)
        self._loop = loop
        self._agent_id = agent_id
        self._writer = writer
        self._wall_s = wall_s
        self._told = told
        self._tell_settled = settled
        self._outcomes: list[CopyOutcome] = []
        self._relayed: list[Relayed] = []
        self._is_settling = False

    def add(self, outcomes: Iterable[CopyOutcome], relayed: Iterable[Relayed] = ()) -> None:
        """They are written from the next `flush` on."""
        self._outcomes += outcomes
        self._relayed += relayed

    @property
    def is_done(self) -> bool:
        """Nothing waits, nothing is on its way to the disk."""
        return not (self._outcomes or self._relayed or self._is_settling)

    def flush(self) -> None:
        """Write what was added, before anything that is submitted from now on, if it can be."""
        if self._is_settling or self.is_done:
            return
        self._is_settling = True
        outcomes = tuple(self._outcomes[:SETTLE_COPIES])
        del self._outcomes[:SETTLE_COPIES]
        settlement = Settlement(
            agent_id=self._agent_id,
            outcomes=outcomes,
            at_s=self._wall_s(),
            relayed=tuple(self._take_relayed(len(outcomes))),
        )
        self._settle(settlement)

    def _take_relayed(self, count: int) -> list[Relayed]:
        """With so many others SETTLE_COPIES at most, so that a turn of the store is short.

        What one answer took goes whole, alone if it is more.
        """
        taken_count = 0
        for one in self._relayed:
            count += one.copy_count
            if count > SETTLE_COPIES and count > one.copy_count:
                break
            taken_count += 1
        taken = self._relayed[:taken_count]
        del self._relayed[:taken_count]
        return taken

    def _settle(self, settlement: Settlement) -> None:
        self._writer.submit(settlement, lambda outcome: self._settled(settlement, outcome))

    def _settled(self, settlement: Settlement, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            self._loop.call_later(WRITE_AGAIN_S, self._settle, settlement)
            return
        self._is_settling = False
        self._count(settlement, outcome)
        self._tell_settled(settlement.copy_count)
        self.flush()

    def _count(self, settlement: Settlement, outcome: Outcome) -> None:
        lost = set(outcome.lost) if isinstance(outcome, Settled) else set()
        kept = [one for one in settlement.outcomes if one.ref not in lost]
        owes = False
        for one in kept:
            if one.attempt is not None:
                self.counters[_COUNTED.get(one.state, "deferred")] += 1
                owes = owes or one.owes is not None
        self.counters["lost"] += len(lost)
        self.counters["relayed"] += settlement.copy_count - len(kept) - len(lost)
        if owes:
            self._told()


class Leasing:
    """Asks for leases, and notes how hops fare, as `dispatch` orders; it hears what came of them.

    open_count: writes that are on their way to the disk.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agent_id: AgentId,
        dispatch: Dispatch,
        means: Means,
        messages: ReadAhead,
        *,
        run: Callable[[], None],
    ) -> None:
        """run: called after `dispatch` has heard of something: there may be orders."""
        self.open_count = 0
        self._loop = loop
        self._agent_id = agent_id
        self._dispatch = dispatch
        self._means = means
        self._messages = messages
        self._run = run
        self._log = get_log("delivery")

    def ask(self, order: Ask) -> None:
        wanted = Lease(
            agent_id=self._agent_id,
            destination_id=order.destination_id,
            limit=order.limit,
            now_s=self._means.wall_s(),
        )
        self._write(wanted, lambda outcome: self._leased(order.destination_id, outcome))

    def note(self, order: Note) -> None:
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

    def _write(self, write: Lease | HopNote, done: Callable[[Outcome], None]) -> None:
        self.open_count += 1
        self._means.writer.submit(write, lambda outcome: self._written(done, outcome))

    def _written(self, done: Callable[[Outcome], None], outcome: Outcome) -> None:
        self.open_count -= 1
        done(outcome)
        self._run()
