"""Which destination, how many connections, when: the delivery agent's decisions, without sockets.

Facts come in as calls, each with `now_s` (monotonic); orders go out through
`take_orders`.  Invariants:

    a copy that was leased is given to one connection at a time, and settles once
    connections of a site never exceed its width, all connections never exceed `max_connections`
    destinations with one site share its connections in turn; sites get connections in turn
    what is leased and not settled is at most `max_leased` copies

    due -> resolve -> ask for a lease -> open connections -> give batches -> transaction done
                  \\-> no plan: ask once, return or defer, note the hop
    transaction done, "not now" for some copies: these go on to the next host (`fleet.Onward`)
    every host failed: give back with that attempt what is leased, and lease it for the
        fall-back relay; else defer it, note the hop
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailserver.store.ports.queue import DueDestination, LeasedCopy
from mailserver.values.ids import DestinationId
from smtp_relay.delivery.plan import DeliveryPlan, Diverted, Resolution, Unroutable
from smtp_relay.delivery.schedule.destination import ConnectionState, Destination, Site
from smtp_relay.delivery.schedule.fleet import Fleet, LeaseBudget, Onward, make_batches
from smtp_relay.delivery.schedule.orders import (
    Fate,
    Give,
    Limits,
    Order,
    RecipientBatch,
    Resolve,
    Result,
    Trouble,
)
from smtp_relay.delivery.schedule.unsent import Unsent
from smtp_relay.delivery.verdicts import ConnectionFailure, Phase

_ENDED_AT_ONCE = ConnectionFailure(
    phase=Phase.MAIL, status="4.4.2", words="the host ended the connection before any message"
)


class Dispatch:
    """The core.  One per agent."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._destinations: dict[DestinationId, Destination] = {}
        self._is_draining = False
        self._orders: list[Order] = []
        self.lease_budget = LeaseBudget(limits, self._order)
        self._fleet = Fleet(limits, self._order)
        self._unsent = Unsent(self._order)
        self._onward = Onward(self._fleet, limits)

    # --- what the shell may ask -----------------------------------------------------

    def take_orders(self) -> list[Order]:
        orders, self._orders = self._orders, []
        return orders

    @property
    def destination_count(self) -> int:
        return len(self._destinations)

    @property
    def is_at_rest(self) -> bool:
        """Nothing here needs a tick."""
        return not self._fleet.connections and not any(
            site.waiting_count for site in self._fleet.sites.values()
        )

    def has_next_host(self, number: int, batch: RecipientBatch, now_s: float) -> bool:
        """May copies of this batch, which this connection carried, go on to another host now?"""
        connection = self._fleet.connections[number]
        return not self._is_draining and self._onward.has_next(connection, batch, now_s)

    # --- facts about destinations ---------------------------------------------------

    def due(self, found: Iterable[DueDestination], now_s: float) -> None:
        """What the store says is due; may name what is looked after already."""
        for one in found:
            destination = self._destinations.get(one.destination_id)
            if destination is None:
                if len(self._destinations) >= self._limits.max_destinations:
                    continue
                destination = Destination(one.destination_id, one.next_hop, one.failure_count)
                self._destinations[one.destination_id] = destination
            if destination.is_noting:
                continue
            destination.failure_count = max(destination.failure_count, one.failure_count)
            destination.has_more = True
            self._advance(destination, now_s)

    def resolved(self, destination_id: DestinationId, resolution: Resolution, now_s: float) -> None:
        destination = self._destinations[destination_id]
        destination.is_resolving = False
        match resolution:
            case DeliveryPlan():
                destination.site = self._fleet.find_site(resolution, now_s)
                destination.plan_until_s = resolution.valid_until_s
                destination.wait(len(destination.backlog))
            case Unroutable() | Diverted():
                self._unsent.fail(destination, resolution)
        self._advance(destination, now_s)

    def leased(
        self,
        destination_id: DestinationId,
        copies: Sequence[LeasedCopy],
        *,
        has_more: bool,
        now_s: float,
    ) -> None:
        """has_more: more of it is due already."""
        destination = self._destinations[destination_id]
        limit = self.lease_budget.ended(destination, len(copies))
        destination.slow_down(now_s)
        destination.has_more = has_more and bool(copies)
        destination.has_plenty = has_more and len(copies) == limit
        if self._is_draining or (destination.is_noting and destination.failure is None):
            self._unsent.settle(copies, Fate.GIVE_BACK)
        elif destination.failure is not None:
            self._unsent.settle_failed(destination, copies)
        else:
            batches = list(make_batches(destination_id, copies, self._limits.max_recipients))
            destination.take_in(batches)
            destination.wait(len(batches))
        self._advance(destination, now_s)

    def lease_failed(self, destination_id: DestinationId) -> None:
        """The store could not; what is due is found again."""
        destination = self._destinations[destination_id]
        self.lease_budget.ended(destination)
        destination.has_more = destination.has_plenty = False

    def settled(self, count: int, now_s: float) -> None:
        """What became of so many copies is on disk: others may be leased in their place."""
        if self.lease_budget.settled(count):
            for destination in tuple(self._destinations.values()):
                self._advance(destination, now_s)

    def hop_noted(self, destination_id: DestinationId) -> None:
        """Its note is on disk; the store names it again when its back-off is over."""
        self._destinations[destination_id].is_noting = False

    # --- facts about connections ----------------------------------------------------------

    def connection_opened(self, number: int, now_s: float) -> None:
        self._serve(self._fleet.opened(number, now_s).site, now_s)

    def transaction_done(
        self,
        number: int,
        batch: RecipientBatch,
        result: Result,
        now_s: float,
        *,
        excess: tuple[LeasedCopy, ...] = (),
        onward: tuple[LeasedCopy, ...] = (),
        trouble: Trouble | None = None,
    ) -> None:
        """Each of its copies has its verdict, but for some.

        excess: for which the transaction had no room; fewer than the batch has.  They go in
            the next transactions.
        onward: that go on to the next host; only where `has_next_host`.
        trouble: why it is BUSY or BROKEN.
        """
        connection = self._fleet.connections[number]
        site = connection.site
        connection.load -= 1
        connection.done_count += 1
        connection.idle_since_s = now_s
        destination = self._landed(batch)
        if excess:
            site.max_recipients = len(batch.copies) - len(excess)
            self._take_back(destination, replace(batch, copies=excess))
        self._fleet.learn(connection, result, trouble, now_s)
        if site.pause_s:
            site.give_not_before_s = now_s + site.pause_s
        if result is Result.SERVED:
            self._hop_works(batch.destination_id)
        if onward:
            self._move_on(connection, batch, onward, now_s)
        if not connection.load and not site.waiting_count and destination.is_leasing:
            destination.starve()
        self._lease_more(destination, now_s)
        self._serve(site, now_s, None if excess else connection)

    def _hop_works(self, destination_id: DestinationId) -> None:
        destination = self._destinations.get(destination_id)
        if destination is not None and destination.failure_count:
            self._unsent.note_works(destination)

    def _move_on(
        self,
        connection: ConnectionState,
        batch: RecipientBatch,
        copies: tuple[LeasedCopy, ...],
        now_s: float,
    ) -> None:
        destination, moved = self._onward.move(connection, batch, copies, now_s)
        self._take_back(destination, moved)
        self._advance(destination, now_s)

    def transaction_not_taken(self, number: int, batch: RecipientBatch) -> None:
        """It takes no more (it is ending, or its peer said how many): another one will."""
        connection = self._fleet.connections[number]
        connection.load -= 1
        self._fleet.close(connection)
        self._landed_untouched(batch)

    def connection_ended(
        self,
        number: int,
        failure: ConnectionFailure | None,
        untouched: Sequence[RecipientBatch],
        now_s: float,
    ) -> None:
        """It is gone: never opened, ended by its peer, or closed as was ordered.

        untouched: transactions of which nothing was said to the peer; in order.
        """
        connection = self._fleet.lost(number, failure, now_s)
        site = connection.site
        may_try_plainly = failure is not None and failure.lost_behind_mail
        is_used = connection.done_count or connection.is_closing or may_try_plainly
        if not is_used and (failure is not None or untouched):
            site.failed_to_open(connection, failure or _ENDED_AT_ONCE, now_s)
        for batch in reversed(untouched):
            self._landed_untouched(batch)
        for batch in untouched:
            self._advance(self._home(batch), now_s)
        self._serve(site, now_s)
        self._fleet.open_hungry(now_s)

    # --- time -------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """A few times a second: what is idle, and what may go on."""
        self._fleet.close_idle(now_s)
        for site in tuple(self._fleet.sites.values()):
            if site.waiting_count:
                self._serve(site, now_s)
        self._onward.forget_quiet()
        every = (*self._destinations.values(), *self._onward.destinations.values())
        self._fleet.prune({id(one.site) for one in every}, now_s)
        for destination in tuple(self._destinations.values()):
            if destination.is_quiet:
                self._forget(destination, now_s)
            elif destination.backlog and destination.site is None:
                self._advance(destination, now_s)  # it came back after the plan was lost

    def drain(self) -> None:
        """No lease and no transaction any more; what is on connections comes through."""
        self._is_draining = True
        self._fleet.drain()

    def _order(self, order: Order) -> None:
        self._orders.append(order)

    # --- destinations -----------------------------------------------------------------

    def _advance(self, destination: Destination, now_s: float) -> None:
        if self._is_draining or destination.is_noting or destination.is_resolving:
            return
        if destination.failure is not None:
            if destination.has_more:
                self.lease_budget.ask(destination)
        elif destination.site is None or destination.plan_until_s <= now_s:
            if destination.has_more or destination.backlog:
                self._resolve(destination, destination.next_hop)
        else:
            self._lease_more(destination, now_s)
            self._serve(destination.site, now_s)

    def _resolve(self, destination: Destination, next_hop: str) -> None:
        destination.leave_site()
        destination.is_resolving = True
        destination.is_detoured = next_hop != destination.next_hop
        self._order(Resolve(destination.destination_id, next_hop))

    def _lease_more(self, destination: Destination, now_s: float) -> None:
        """Ask for the next lease early enough."""
        site = destination.site
        if (
            not destination.has_more
            or destination.is_leasing
            or site is None
            or destination.is_noting
            or self._is_draining
        ):
            return
        if destination.plan_until_s <= now_s:
            if not destination.backlog and not destination.is_resolving:
                self._resolve(destination, destination.next_hop)
            return
        self.lease_budget.ask_early(destination, site.width)

    def _forget(self, destination: Destination, now_s: float) -> None:
        is_full = len(self._destinations) * 2 > self._limits.max_destinations
        if is_full or destination.site is None or destination.plan_until_s <= now_s:
            del self._destinations[destination.destination_id]

    # --- sites ----------------------------------------------------------------------------

    def _serve(self, site: Site, now_s: float, only: ConnectionState | None = None) -> None:
        """Give what waits to connections that have room, and see whether it needs more of them.

        only: the one where there is room now and was none; None: any.
        """
        if site.has_failed(now_s):
            self._fail(site, now_s)
            return
        if self._is_draining or not site.waiting_count:
            return
        for connection in tuple(site.connections.values()) if only is None else (only,):
            if site.has_better(connection, now_s):
                self._fleet.close(connection)
            while site.waiting_count and site.may_give(connection, now_s):
                self._give(connection, now_s)
        self._fleet.feed(site, now_s)

    def _give(self, connection: ConnectionState, now_s: float) -> None:
        site = connection.site
        destination = site.turns.popleft()
        before = len(destination.backlog)
        batch = destination.take_out(site.max_recipients)
        site.waiting_count += len(destination.backlog) - before
        if destination.backlog:
            site.turns.append(destination)
        destination.flying_count += len(batch.copies)
        connection.load += 1
        connection.given_count += 1
        self._order(Give(connection.number, batch))
        if connection.given_count >= self._limits.max_messages:
            self._fleet.close(connection)
        if not destination.is_leasing:
            self._lease_more(destination, now_s)

    def _fail(self, site: Site, now_s: float) -> None:
        """Every host failed: the fall-back relay, else what is leased is deferred."""
        trouble = site.trouble()
        may_detour = bool(self._limits.fallback) and not site.policy_failed
        site.end_round(now_s)
        for branch in self._onward.of_site(site):
            branch.stop_waiting()
            self._unsent.settle_backlog(branch, Fate.DEFER, trouble)
        for destination in tuple(self._destinations.values()):
            if destination.site is not site or destination.is_quiet:
                continue
            destination.leave_site()
            if may_detour and destination.may_detour:
                self._detour(destination, trouble)
                continue
            self._unsent.settle_backlog(destination, Fate.DEFER, trouble)
            self._unsent.note_failed(destination, trouble)

    def _detour(self, destination: Destination, trouble: Trouble) -> None:
        """What is leased goes back with the line of this attempt, and is leased for the relay."""
        destination.has_more = destination.has_more or bool(destination.backlog)
        self._unsent.settle_backlog(destination, Fate.GIVE_BACK, trouble)
        destination.failure_count = 0  # it does not rest: the relay takes its mail
        self._order(destination.note(trouble.error))
        self._resolve(destination, "route:" + self._limits.fallback)

    # --- batches that come back --------------------------------------------------------------

    def _landed(self, batch: RecipientBatch) -> Destination:
        destination = self._home(batch)
        destination.flying_count -= len(batch.copies)
        return destination

    def _home(self, batch: RecipientBatch) -> Destination:
        if batch.branch:
            return self._onward.destinations[batch.destination_id, batch.branch]
        return self._destinations[batch.destination_id]

    def _landed_untouched(self, batch: RecipientBatch) -> None:
        self._take_back(self._landed(batch), batch)

    def _take_back(self, destination: Destination, batch: RecipientBatch) -> None:
        """To be given again, unless its hop rests or has no plan, or we are about to end."""
        if destination.is_noting or self._is_draining:
            self._unsent.settle(batch.copies, Fate.GIVE_BACK)
            return
        if destination.failure is not None:
            self._unsent.settle(batch.copies, destination.fate, destination.failure)
            return
        destination.put_back(batch)
        destination.wait(1)
