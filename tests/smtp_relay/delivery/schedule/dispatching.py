"""A world around the dispatcher: a store, name servers and hosts that do what a test says."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from mailserver.store.ports.queue import CopyRef, DueDestination, LeasedCopy
from mailserver.values.ids import DestinationId, MessageId
from mailserver.values.message import Notify
from smtp_relay.delivery.plan import DeliveryPlan, Hop, Resolution, TlsDemand, TlsLevel, Unroutable
from smtp_relay.delivery.schedule.dispatch import Dispatch
from smtp_relay.delivery.schedule.orders import (
    Ask,
    Close,
    Fate,
    Give,
    Limits,
    Note,
    Open,
    RecipientBatch,
    Resolve,
    Result,
    Settle,
    Warn,
)
from smtp_relay.delivery.verdicts import ConnectionFailure, Phase

PORT = 25


def hop(
    host: str,
    *addresses: str,
    level: TlsLevel = TlsLevel.OPPORTUNISTIC,
    preference: int = 0,
) -> Hop:
    tls = TlsDemand(level=level, source="test")
    return Hop(
        host=host,
        addresses=addresses or ("192.0.2.1",),
        port=PORT,
        tls=tls,
        preference=preference,
    )


def plan(next_hop: str, *hops: Hop, site: str = "", until_s: float = 1e9) -> DeliveryPlan:
    return DeliveryPlan(
        next_hop=next_hop,
        site=site or next_hop,
        hops=hops or (hop(f"mx.{next_hop}"),),
        valid_until_s=until_s,
    )


def failure(
    phase: Phase = Phase.CONNECT,
    *,
    is_policy: bool = False,
    may_try_in_clear: bool = False,
    lost_past_dot: bool = False,
    lost_behind_mail: bool = False,
) -> ConnectionFailure:
    return ConnectionFailure(
        phase=phase,
        status="4.4.1",
        words="no",
        is_policy=is_policy,
        may_try_in_clear=may_try_in_clear,
        lost_past_dot=lost_past_dot,
        lost_behind_mail=lost_behind_mail,
    )


def no_plan(next_hop: str, *, is_permanent: bool) -> Unroutable:
    status = "5.1.2" if is_permanent else "4.4.3"
    return Unroutable(next_hop=next_hop, is_permanent=is_permanent, status=status, words="no way")


@dataclass(slots=True, eq=False)
class FakeConnection:
    order: Open
    is_open: bool = False
    is_closing: bool = False
    load: deque[RecipientBatch] = field(default_factory=deque)


class World:
    """Orders are carried out in part at once (settlements), in part when the test says so.

    is_disk_slow: what became of copies is on disk only when the test says so (`sync`).
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.dispatch = Dispatch(limits)
        self.now_s = 0.0
        self.names: dict[DestinationId, str] = {}
        self.waiting: dict[DestinationId, deque[LeasedCopy]] = {}
        self.failures: Counter[DestinationId] = Counter()
        self.resting: set[DestinationId] = set()
        self.resolving: list[Resolve] = []
        self.asked: list[Ask] = []
        self.notes: list[Note] = []
        self.warnings: list[Warn] = []
        self.connections: dict[int, FakeConnection] = {}
        self.opened: list[Open] = []
        self.leased: set[CopyRef] = set()
        self.is_disk_slow = False
        self.unsynced_count = 0  # copies of which it is decided what becomes of them
        self.settled: Counter[CopyRef] = Counter()
        self.returned: set[CopyRef] = set()
        self.deferred: set[CopyRef] = set()
        self.given: list[RecipientBatch] = []
        self.losing: set[str] = set()  # sites where what followed a final dot was lost
        self.tried: list[tuple[CopyRef, str]] = []
        self.moved: list[tuple[CopyRef, str]] = []  # on to the next host: from which one
        self._homes: dict[CopyRef, DestinationId] = {}
        self._next_message = 1

    # --- the store --------------------------------------------------------------------

    def accept(self, name: str, messages: int = 1, recipients: int = 1) -> DestinationId:
        known = {value: key for key, value in self.names.items()}
        destination_id = known.get(name, DestinationId(len(self.names) + 1))
        self.names[destination_id] = name
        for _ in range(messages):
            for number in range(recipients):
                self._wait(destination_id, CopyRef(MessageId(self._next_message), number))
            self._next_message += 1
        return destination_id

    def _wait(self, destination_id: DestinationId, ref: CopyRef) -> None:
        copy = LeasedCopy(
            ref=ref,
            recipient="a@b.test",
            notify=Notify.UNSAID,
            original_recipient="",
            attempt_count=0,
            accepted_at_s=0.0,
        )
        self._homes[ref] = destination_id
        self.waiting.setdefault(destination_id, deque()).append(copy)

    def look(self) -> None:
        """Everything that is due and does not rest."""
        found = [
            DueDestination(
                destination_id=one,
                next_hop=self.names[one],
                next_due_at_s=0.0,
                not_before_s=0.0,
                failure_count=self.failures[one],
            )
            for one, copies in self.waiting.items()
            if copies and one not in self.resting
        ]
        self.dispatch.due(found, self.now_s)
        self.obey()

    def lease(self, index: int = 0) -> None:
        """The store answers the oldest (or another) question."""
        ask = self.asked.pop(index)
        left = self.waiting.get(ask.destination_id, deque())
        copies = [left.popleft() for _ in range(min(ask.limit, len(left)))]
        self.leased |= {copy.ref for copy in copies}
        assert len(self.leased) + self.unsynced_count <= self.limits.max_leased
        self.dispatch.leased(ask.destination_id, copies, has_more=bool(left), now_s=self.now_s)
        self.obey()

    # --- carrying out -------------------------------------------------------------------

    def obey(self) -> None:
        while orders := self.dispatch.take_orders():
            for order in orders:
                self._obey_one(order)
        self.check()

    def _obey_one(self, order: object) -> None:
        match order:
            case Resolve():
                self.resolving.append(order)
            case Ask():
                assert 0 < order.limit <= 100
                self.asked.append(order)
            case Open():
                self.opened.append(order)
                self.connections[order.number] = FakeConnection(order)
            case Give():
                connection = self.connections[order.number]
                assert connection.is_open
                at = connection.order.hop.host, connection.order.address, connection.order.hop.port
                assert at not in order.batch.tried
                assert len(connection.load) < (
                    1 if connection.order.plan.site in self.losing else 2
                )
                connection.load.append(order.batch)
                self.given.append(order.batch)
            case Close():
                self.connections[order.number].is_closing = True
            case Settle():
                self._settle(order)
            case Note():
                self.notes.append(order)
            case Warn():
                self.warnings.append(order)

    def _settle(self, order: Settle) -> None:
        for copy in order.copies:
            self.leased.remove(copy.ref)
            if order.fate is Fate.GIVE_BACK:
                self.waiting[self._homes[copy.ref]].append(copy)
                if order.trouble is not None:
                    self.tried.append((copy.ref, order.trouble.error))
                continue
            self._final(copy.ref)
            if order.fate is Fate.RETURN:
                self.returned.add(copy.ref)
            elif order.fate is Fate.DEFER:
                self.deferred.add(copy.ref)
        self._decided(len(order.copies))

    def _decided(self, count: int) -> None:
        self.unsynced_count += count
        if not self.is_disk_slow:
            self.sync()

    def sync(self) -> None:
        """Every settlement is on disk; orders that come of it wait for `obey`."""
        count, self.unsynced_count = self.unsynced_count, 0
        self.dispatch.settled(count, self.now_s)

    def _final(self, ref: CopyRef) -> None:
        self.settled[ref] += 1
        assert self.settled[ref] == 1

    def check(self) -> None:
        """What must hold after every step."""
        assert len(self.connections) <= self.limits.max_connections
        sites = Counter(connection.order.plan.site for connection in self.connections.values())
        assert all(count <= self.limits.site_connections for count in sites.values())
        carried = [
            c.ref
            for connection in self.connections.values()
            for b in connection.load
            for c in b.copies
        ]
        assert len(carried) == len(set(carried))
        assert set(carried) <= self.leased
        assert self.dispatch.lease_budget.held_count == len(self.leased) + self.unsynced_count

    # --- facts ------------------------------------------------------------------------------

    def find_ways(self, *resolutions: Resolution) -> None:
        """Answer every question: by the table, else by a host of its own."""
        table = {resolution.next_hop: resolution for resolution in resolutions}
        while self.resolving:
            order = self.resolving.pop(0)
            resolution = table.get(order.next_hop) or plan(order.next_hop)
            self.dispatch.resolved(order.destination_id, resolution, self.now_s)
            self.obey()

    def open(self, number: int) -> None:
        self.connections[number].is_open = True
        self.dispatch.connection_opened(number, self.now_s)
        self.obey()

    def lose(self, number: int, why: ConnectionFailure | None = None) -> None:
        """What it carries comes back: the first was being sent, the rest is untouched."""
        connection = self.connections.pop(number)
        untouched = list(connection.load)
        if why is not None and why.lost_past_dot:
            self.losing.add(connection.order.plan.site)
        self.dispatch.connection_ended(number, why, untouched, self.now_s)
        self.obey()

    def finish(
        self,
        number: int,
        result: Result = Result.SERVED,
        *,
        taken_count: int | None = None,
        later_count: int = 0,
    ) -> None:
        """taken_count: the host takes no more in one transaction.

        later_count: its first copies get "not now", and go on where there is a next host.
        """
        connection = self.connections[number]
        batch = connection.load.popleft()
        later = batch.copies[:later_count]
        goes_on = bool(later) and self.dispatch.has_next_host(number, batch, self.now_s)
        excess = batch.copies[max(taken_count, later_count) :] if taken_count else ()
        decided = batch.copies[len(later) if goes_on else 0 : len(batch.copies) - len(excess)]
        for copy in decided:
            self.leased.remove(copy.ref)
            self._final(copy.ref)
        self.deferred |= {copy.ref for copy in later if not goes_on}
        self.moved += [(copy.ref, connection.order.hop.host) for copy in later if goes_on]
        onward = later if goes_on else ()
        self.dispatch.transaction_done(
            number, batch, result, self.now_s, excess=excess, onward=onward
        )
        self._decided(len(decided))
        self.obey()

    def note(self) -> None:
        """Notes reach the disk: those hops rest, or work."""
        while self.notes:
            note = self.notes.pop(0)
            self.failures[note.destination_id] = note.failure_count
            if note.failure_count:
                self.resting.add(note.destination_id)
            self.dispatch.hop_noted(note.destination_id)
            self.obey()

    def turn(self, seconds: float) -> None:
        self.now_s += seconds
        self.dispatch.tick(self.now_s)
        self.obey()

    def close_what_should(self) -> None:
        for number, connection in list(self.connections.items()):
            if connection.is_closing and not connection.load:
                self.lose(number)

    def step_well(self) -> None:
        """Everybody answers well, once, and the disk too."""
        self.step_but_sync()
        self.sync()
        self.obey()

    def step_but_sync(self) -> None:
        self.look()
        self.find_ways()
        while self.asked:
            self.lease()
        for number, connection in list(self.connections.items()):
            if not connection.is_open:
                self.open(number)
        for number, connection in list(self.connections.items()):
            if number in self.connections and connection.load:
                self.finish(number)
        self.close_what_should()
        self.note()
        self.resting.clear()
        self.turn(11.0)
        self.close_what_should()

    @property
    def is_empty(self) -> bool:
        return not any(self.waiting.values()) and not self.leased
