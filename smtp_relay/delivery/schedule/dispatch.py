"""Which destination, how many links, when: the delivery agent's decisions, without sockets.

Facts come in as calls, each with `now_s` (monotonic); orders go out through
`take_orders`.  Invariants:

    a copy that was leased is given to one link at a time, and settles once
    links of a site never exceed its width, all links never exceed `max_links`
    destinations with one site share its links in turn; sites get links in turn
    what is leased and not settled is at most `max_leased` copies

    due -> resolve -> ask for a lease -> open links -> give bundles -> parcel done
                  \\-> no way: ask once, return or defer, note the hop
    parcel done, "not now" for some copies: these go on to the next host (`schedule.onward`)
    every host failed: give back with that attempt what is leased, and lease it for the
        fall-back relay; else defer it, note the hop
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailserver.store.ports.queue import DueDestination, LeasedCopy
from mailserver.values.ids import DestinationId
from smtp_relay.delivery.plan import Diverted, Itinerary, Unroutable, Way
from smtp_relay.delivery.schedule.destination import LEASE_COPIES, Destination, Line, Site
from smtp_relay.delivery.schedule.fleet import Fleet
from smtp_relay.delivery.schedule.holdings import Holdings
from smtp_relay.delivery.schedule.onward import Onward
from smtp_relay.delivery.schedule.orders import (
    Ask,
    Bundle,
    Fate,
    Give,
    Limits,
    Order,
    Resolve,
    Result,
    Trouble,
    make_bundles,
)
from smtp_relay.delivery.schedule.unsent import Unsent
from smtp_relay.delivery.verdicts import LinkFailure, Phase

_ENDED_AT_ONCE = LinkFailure(
    phase=Phase.MAIL, status="4.4.2", words="the host ended the connection before any message"
)


class Dispatch:
    """The core.  One per agent."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._destinations: dict[DestinationId, Destination] = {}
        self.holdings = Holdings(limits.max_leased)
        self._is_draining = False
        self._orders: list[Order] = []
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
        return not self._fleet.lines and not any(
            site.waiting_count for site in self._fleet.sites.values()
        )

    def has_next_host(self, number: int, bundle: Bundle, now_s: float) -> bool:
        """May copies of this bundle, which this link carried, go on to another host now?"""
        line = self._fleet.lines[number]
        return not self._is_draining and self._onward.has_next(line, bundle, now_s)

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

    def way_found(self, destination_id: DestinationId, way: Way, now_s: float) -> None:
        destination = self._destinations[destination_id]
        destination.is_resolving = False
        match way:
            case Itinerary():
                self._attach(destination, way, now_s)
            case Unroutable() | Diverted():
                self._unsent.doom(destination, way)
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
        limit = self._lease_ended(destination)
        self.holdings.held_count += len(copies)
        destination.slow_down(now_s)
        destination.has_more = has_more and bool(copies)
        destination.has_plenty = has_more and len(copies) == limit
        if self._is_draining or (destination.is_noting and destination.doom is None):
            self._unsent.settle(copies, Fate.GIVE_BACK)
        elif destination.doom is not None:
            self._unsent.meet_doom(destination, copies)
        else:
            bundles = list(make_bundles(destination_id, copies, self._limits.max_recipients))
            destination.take_in(bundles)
            self._queue_up(destination, len(bundles))
        self._advance(destination, now_s)

    def lease_failed(self, destination_id: DestinationId) -> None:
        """The store could not; what is due is found again."""
        destination = self._destinations[destination_id]
        self._lease_ended(destination)
        destination.has_more = destination.has_plenty = False

    def settled(self, count: int, now_s: float) -> None:
        """What became of so many copies is on disk: others may be leased in their place."""
        if self.holdings.settled(count):
            for destination in tuple(self._destinations.values()):
                self._advance(destination, now_s)

    def hop_noted(self, destination_id: DestinationId) -> None:
        """Its note is on disk; the store names it again when its back-off is over."""
        self._destinations[destination_id].is_noting = False

    # --- facts about links ----------------------------------------------------------

    def link_opened(self, number: int, now_s: float) -> None:
        self._serve(self._fleet.opened(number, now_s).site, now_s)

    def parcel_done(
        self,
        number: int,
        bundle: Bundle,
        result: Result,
        now_s: float,
        *,
        excess: tuple[LeasedCopy, ...] = (),
        onward: tuple[LeasedCopy, ...] = (),
        trouble: Trouble | None = None,
    ) -> None:
        """Each of its copies has its verdict, but for some.

        excess: for which the transaction had no room; fewer than the bundle has.  They go in
            the next transactions.
        onward: that go on to the next host; only where `has_next_host`.
        trouble: why it is BUSY or BROKEN.
        """
        line = self._fleet.lines[number]
        site = line.site
        line.load -= 1
        line.done_count += 1
        line.idle_since_s = now_s
        destination = self._landed(bundle)
        if excess:
            site.max_recipients = len(bundle.copies) - len(excess)
            self._take_back(destination, replace(bundle, copies=excess))
        self._learn(line, result, trouble, now_s)
        if site.pause_s:
            site.give_not_before_s = now_s + site.pause_s
        if result is Result.SERVED:
            self._hop_works(bundle.destination_id)
        if onward:
            self._move_on(line, bundle, onward, now_s)
        if not line.load and not site.waiting_count and destination.is_leasing:
            destination.starve()
        self._hunt(destination, now_s)
        self._serve(site, now_s, None if excess else line)

    def _learn(self, line: Line, result: Result, why: Trouble | None, now_s: float) -> None:
        """What the answers to a parcel say about its hosts."""
        rests = False
        match result:
            case Result.SERVED:
                line.has_served = True
                line.site.served()
            case Result.BUSY:
                rests = line.site.refused(line, why, now_s)
            case Result.BROKEN:
                rests = line.site.broke(line, why, now_s)
            case Result.OURS:
                return
        if rests:
            self._fleet.leave(line.endpoint)

    def _hop_works(self, destination_id: DestinationId) -> None:
        destination = self._destinations.get(destination_id)
        if destination is not None and destination.failure_count:
            self._unsent.note_works(destination)

    def _move_on(
        self, line: Line, bundle: Bundle, copies: tuple[LeasedCopy, ...], now_s: float
    ) -> None:
        destination, moved = self._onward.move(line, bundle, copies, now_s)
        self._take_back(destination, moved)
        self._advance(destination, now_s)

    def parcel_not_taken(self, number: int, bundle: Bundle) -> None:
        """The link takes no more (it is ending, or its peer said how many): another one will."""
        line = self._fleet.lines[number]
        line.load -= 1
        self._fleet.close(line)
        self._landed_untouched(bundle)

    def link_lost(
        self, number: int, failure: LinkFailure | None, untouched: Sequence[Bundle], now_s: float
    ) -> None:
        """It is gone: never opened, ended by its peer, or closed as was ordered.

        untouched: parcels of which nothing was said to the peer; in order.
        """
        line = self._fleet.lost(number, failure, now_s)
        site = line.site
        may_try_plainly = failure is not None and failure.lost_behind_mail
        is_used = line.done_count or line.is_closing or may_try_plainly
        if not is_used and (failure is not None or untouched):
            site.failed_to_open(line, failure or _ENDED_AT_ONCE, now_s)
        for bundle in reversed(untouched):
            self._landed_untouched(bundle)
        for bundle in untouched:
            self._advance(self._home(bundle), now_s)
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
                self._advance(destination, now_s)  # it came back after the way was lost

    def drain(self) -> None:
        """No lease and no parcel any more; what is on links comes through."""
        self._is_draining = True
        self._fleet.drain()

    def _order(self, order: Order) -> None:
        self._orders.append(order)

    # --- destinations -----------------------------------------------------------------

    def _advance(self, destination: Destination, now_s: float) -> None:
        if self._is_draining or destination.is_noting or destination.is_resolving:
            return
        if destination.doom is not None:
            if destination.has_more:
                self._ask(destination, LEASE_COPIES)
        elif destination.site is None or destination.way_until_s <= now_s:
            if destination.has_more or destination.backlog:
                self._resolve(destination, destination.next_hop)
        else:
            self._hunt(destination, now_s)
            self._serve(destination.site, now_s)

    def _resolve(self, destination: Destination, next_hop: str) -> None:
        self._detach(destination)
        destination.is_resolving = True
        destination.is_detoured = next_hop != destination.next_hop
        self._order(Resolve(destination.destination_id, next_hop))

    def _attach(self, destination: Destination, way: Itinerary, now_s: float) -> None:
        site = self._fleet.find_site(way, now_s)
        destination.site, destination.way_until_s = site, way.valid_until_s
        if destination.backlog:
            self._queue_up(destination, len(destination.backlog))

    def _detach(self, destination: Destination) -> None:
        self._drop_waiting(destination)
        destination.site = None

    def _drop_waiting(self, destination: Destination) -> None:
        """Its bundles do not wait for links of its site any more."""
        site = destination.site
        if site is not None and destination.backlog:
            site.waiting_count -= len(destination.backlog)
            site.turns.remove(destination)

    def _queue_up(self, destination: Destination, bundle_count: int) -> None:
        """Its new bundles wait for links of its site, in turn with others."""
        site = destination.site
        if site is None or not bundle_count:
            return
        if len(destination.backlog) == bundle_count:
            site.turns.append(destination)
        site.waiting_count += bundle_count

    def _hunt(self, destination: Destination, now_s: float) -> None:
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
        if destination.way_until_s <= now_s:
            if not destination.backlog and not destination.is_resolving:
                self._resolve(destination, destination.next_hop)
            return
        self._ask(destination, destination.lease_limit(site.width))

    def _ask(self, destination: Destination, wanted: int) -> None:
        if destination.is_leasing:
            return
        left = self.holdings.room(wanted)
        while left > 0:
            limit = min(left, LEASE_COPIES)
            left -= limit
            self.holdings.asked_count += limit
            destination.asked.append(limit)
            self._order(Ask(destination.destination_id, limit))

    def _lease_ended(self, destination: Destination) -> int:
        """The oldest one; returns its limit."""
        limit = destination.asked.popleft()
        self.holdings.asked_count -= limit
        return limit

    def _forget(self, destination: Destination, now_s: float) -> None:
        is_full = len(self._destinations) * 2 > self._limits.max_destinations
        if is_full or destination.site is None or destination.way_until_s <= now_s:
            del self._destinations[destination.destination_id]

    # --- sites ----------------------------------------------------------------------------

    def _serve(self, site: Site, now_s: float, only: Line | None = None) -> None:
        """Give what waits to links that have room, and see whether it needs more of them.

        only: the one where there is room now and was none; None: any.
        """
        if site.has_failed(now_s):
            self._fail(site, now_s)
            return
        if self._is_draining or not site.waiting_count:
            return
        for line in tuple(site.lines.values()) if only is None else (only,):
            if site.has_better(line, now_s):
                self._fleet.close(line)
            while site.waiting_count and site.may_give(line, now_s):
                self._give(line, now_s)
        self._fleet.feed(site, now_s)

    def _give(self, line: Line, now_s: float) -> None:
        site = line.site
        destination = site.turns.popleft()
        before = len(destination.backlog)
        bundle = destination.take_out(site.max_recipients)
        site.waiting_count += len(destination.backlog) - before
        if destination.backlog:
            site.turns.append(destination)
        destination.flying_count += len(bundle.copies)
        line.load += 1
        line.given_count += 1
        self._order(Give(line.number, bundle))
        if line.given_count >= self._limits.max_messages:
            self._fleet.close(line)
        if not destination.is_leasing:
            self._hunt(destination, now_s)

    def _fail(self, site: Site, now_s: float) -> None:
        """Every host failed: the fall-back relay, else what is leased is deferred."""
        trouble = site.trouble()
        may_detour = bool(self._limits.fallback) and not site.policy_failed
        site.end_round(now_s)
        for branch in self._onward.of_site(site):
            self._drop_waiting(branch)
            self._unsent.settle_backlog(branch, Fate.DEFER, trouble)
        for destination in tuple(self._destinations.values()):
            if destination.site is not site or destination.is_quiet:
                continue
            self._detach(destination)
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

    # --- bundles that come back --------------------------------------------------------------

    def _landed(self, bundle: Bundle) -> Destination:
        destination = self._home(bundle)
        destination.flying_count -= len(bundle.copies)
        return destination

    def _home(self, bundle: Bundle) -> Destination:
        if bundle.branch:
            return self._onward.destinations[bundle.destination_id, bundle.branch]
        return self._destinations[bundle.destination_id]

    def _landed_untouched(self, bundle: Bundle) -> None:
        self._take_back(self._landed(bundle), bundle)

    def _take_back(self, destination: Destination, bundle: Bundle) -> None:
        """To be given again, unless its hop rests or has no way, or we are about to end."""
        if destination.is_noting or self._is_draining:
            self._unsent.settle(bundle.copies, Fate.GIVE_BACK)
            return
        if destination.doom is not None:
            self._unsent.settle(bundle.copies, destination.fate, destination.doom)
            return
        destination.put_back(bundle)
        self._queue_up(destination, 1)
