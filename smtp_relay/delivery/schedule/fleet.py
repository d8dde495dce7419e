"""What all destinations of one agent share: its connections, the copies it may hold, next hosts.

Pure.  Sites that want a connection get one in turn (`Fleet`).  When the process has all that it
may have, a site without any gets one of who is idle, else of who has most.  So a slow site never
keeps the others waiting.  Leases are asked for while the process may hold more (`LeaseBudget`).

Copies that one host does not take now go on to the next one at once (`Onward`, RFC 5321 §5.1).
What a host says of some recipients (4yz to RCPT, DATA or the end of the message) is no reason to
leave it: one greylisted mailbox would take everybody's mail to the backup.  So these copies alone
leave for a *branch*: a site of the same hosts without those that they have asked, with
connections of its own.

    given to a host -> 4yz -> branch {that host} -> 4yz -> branch {both} -> ... -> deferred

A try ends where no host is left that does not rest, after `max_hosts` of them, or after `TRY_S`;
the next one by the schedule begins with the first host again, as greylisting wants it.  Hosts with
another name come first: the next address of the same one mostly says the same.  Branches lease
nothing, make no notes about their hop, and never wake a host that rests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from mailserver.store.ports.queue import LeasedCopy
from mailserver.values.ids import DestinationId
from smtp_relay.delivery.plan import DeliveryPlan
from smtp_relay.delivery.schedule.destination import (
    MAX_APPETITE,
    ConnectionState,
    Destination,
    Endpoint,
    Site,
)
from smtp_relay.delivery.schedule.orders import (
    Ask,
    Close,
    EndpointKey,
    Limits,
    Open,
    Order,
    RecipientBatch,
    Result,
    Trouble,
    Warn,
)
from smtp_relay.delivery.verdicts import ConnectionFailure

PLAIN_S: Final = 86_400.0
"""A host that loses what is pipelined gets one command at a time for so long."""
MAX_PLAIN: Final = 10_000
LOSES_BEHIND_MAIL: Final = "next hop loses what is sent with MAIL: one command at a time for a day"
LOSES_PAST_DOT: Final = "next hop loses what follows a message: one at a time from now on"


LEASE_COPIES: Final = 100
"""Of one destination, at most; some of them share a turn."""
TRY_S: Final = 1800.0
"""A try that has lasted longer asks no further host: what waits is told of, and expires."""


class Fleet:
    """order: takes what the shell must do."""

    def __init__(self, limits: Limits, order: Callable[[Order], None]) -> None:
        self.connections: dict[int, ConnectionState] = {}
        self.sites: dict[str, Site] = {}
        self._limits = limits
        self._order = order
        self._hungry: dict[str, Site] = {}  # in turn
        self._plain_until_s: dict[tuple[str, int], float] = {}  # (host, port)
        self._numbers = count(1)
        self._is_draining = False

    def find_site(self, resolution: DeliveryPlan, now_s: float) -> Site:
        """The site of this plan, with the newest that is known of its hosts."""
        site = self.sites.get(resolution.site)
        if site is None:
            site = self.sites[resolution.site] = make_site(resolution, self._limits)
        else:
            site.follow(resolution)
        if not site.connections and site.next_endpoint(now_s) is None:
            site.start_again()  # the back-off of the hop is over, or this hop is new to it
        return site

    def find_branch(
        self, site: Site, endpoints: Sequence[Endpoint], tried: Sequence[EndpointKey]
    ) -> Site:
        """The site of these endpoints, which are its root's: what one learns the other knows.

        Where the limits are a rule's own, it has one connection beside its root's.
        """
        root = site.root or site
        asked = " ".join(f"{host}[{address}]:{port}" for host, address, port in sorted(tried))
        key = f"{root.plan.site} without {asked}"
        branch = self.sites.get(key)
        if branch is None:
            branch = self.sites[key] = make_site(root.plan, self._limits)
            branch.plan = replace(root.plan, site=key)
            if root.plan.max_connections:
                branch.limit = 1
        branch.root, branch.endpoints = root, list(endpoints)
        branch.loses_past_dot = root.loses_past_dot
        return branch

    def learn(
        self, connection: ConnectionState, result: Result, why: Trouble | None, now_s: float
    ) -> None:
        """What the answers to a transaction say about its hosts."""
        rests = False
        match result:
            case Result.SERVED:
                connection.has_served = True
                connection.site.served()
            case Result.BUSY:
                rests = connection.site.refused(connection, why, now_s)
            case Result.BROKEN:
                rests = connection.site.broke(connection, why, now_s)
            case Result.OURS:
                return
        if rests:
            self.leave(connection.endpoint)

    def leave(self, endpoint: Endpoint) -> None:
        """It rests: what its connections carry comes through, and nothing more is given to them."""
        for connection in self.connections.values():
            if connection.endpoint is endpoint:
                self.close(connection)

    def feed(self, site: Site, now_s: float) -> None:
        """It has more waiting than its connections can take."""
        if site.wants_connection(now_s) and site.next_endpoint(now_s) is not None:
            self._hungry[site.plan.site] = site
            self.open_hungry(now_s)

    def open_hungry(self, now_s: float) -> None:
        """One connection for each site in turn, as long as the process may have more."""
        while self._hungry and len(self.connections) < self._limits.max_connections:
            key = next(iter(self._hungry))
            site = self._hungry.pop(key)
            endpoint = site.next_endpoint(now_s)
            if self._is_draining or endpoint is None or not site.wants_connection(now_s):
                continue
            number = next(self._numbers)
            connection = ConnectionState(number, site, endpoint, endpoint.is_in_clear)
            self.connections[number] = site.connections[number] = connection
            site.opening_count += 1
            self._order(
                Open(
                    number,
                    site.plan,
                    endpoint.demanded(),
                    endpoint.address,
                    may_pipeline=not self._is_plain(endpoint, now_s),
                )
            )
            self._hungry[key] = site
        if self._hungry:
            self._make_room()

    def opened(self, number: int, now_s: float) -> ConnectionState:
        connection = self.connections[number]
        connection.is_open, connection.idle_since_s = True, now_s
        connection.site.opening_count -= 1
        return connection

    def lost(self, number: int, failure: ConnectionFailure | None, now_s: float) -> ConnectionState:
        connection = self.connections.pop(number)
        site = connection.site
        del site.connections[number]
        if not connection.is_open:
            site.opening_count -= 1
        if failure is not None and failure.lost_past_dot and not site.loses_past_dot:
            site.loses_past_dot = True
            self._order(Warn(LOSES_PAST_DOT, connection.endpoint.hop.host, failure.words))
        if failure is not None and failure.lost_behind_mail:
            self._be_plain(connection.endpoint, failure, now_s)
        return connection

    def _is_plain(self, endpoint: Endpoint, now_s: float) -> bool:
        key = endpoint.hop.host, endpoint.hop.port
        return self._plain_until_s.get(key, 0.0) > now_s

    def _be_plain(self, endpoint: Endpoint, failure: ConnectionFailure, now_s: float) -> None:
        """Its other connections would lose as much: they end with what they carry."""
        key = endpoint.hop.host, endpoint.hop.port
        if not self._is_plain(endpoint, now_s):
            self._order(Warn(LOSES_BEHIND_MAIL, endpoint.hop.host, failure.words))
        self._plain_until_s.pop(key, None)
        self._plain_until_s[key] = now_s + PLAIN_S
        if len(self._plain_until_s) > MAX_PLAIN:
            del self._plain_until_s[next(iter(self._plain_until_s))]
        for connection in self.connections.values():
            if (connection.endpoint.hop.host, connection.endpoint.hop.port) == key:
                self.close(connection)

    def close(self, connection: ConnectionState) -> None:
        if not connection.is_closing:
            connection.is_closing = True
            self._order(Close(connection.number))

    def close_idle(self, now_s: float) -> None:
        for connection in self.connections.values():
            if (
                connection.is_open
                and not connection.load
                and now_s - connection.idle_since_s >= self._limits.idle_s
            ):
                self.close(connection)

    def prune(self, used: Collection[int], now_s: float) -> None:
        """Forget sites that nobody uses and where nothing was learnt; used: their `id()`s."""
        for key, site in tuple(self.sites.items()):
            if not site.connections and id(site) not in used and site.is_blank(now_s):
                del self.sites[key]

    def drain(self) -> None:
        self._is_draining = True
        for connection in self.connections.values():
            self.close(connection)

    def _make_room(self) -> None:
        poor = sum(1 for site in self._hungry.values() if not site.connections)
        closing = sum(1 for connection in self.connections.values() if connection.is_closing)
        while closing < poor:
            kept = [
                connection for connection in self.connections.values() if not connection.is_closing
            ]
            idle = [connection for connection in kept if not connection.load and connection.is_open]
            spare = idle or [
                connection for connection in kept if len(connection.site.connections) > 1
            ]
            if not spare:
                return
            self.close(max(spare, key=lambda connection: len(connection.site.connections)))
            closing += 1


class LeaseBudget:
    """What is asked of the store, and how many copies the process answers for.

    order: takes what the shell must do.
    asked_count: that leases on their way may bring.
    held_count: leased, until what became of them is on disk: a crash sends them again.
    """

    def __init__(self, limits: Limits, order: Callable[[Order], None]) -> None:
        self.asked_count = 0
        self.held_count = 0
        self._limits = limits
        self._order = order
        self._is_short = False  # somebody would have asked for more

    def ask(self, destination: Destination, wanted: int = LEASE_COPIES) -> None:
        """As many of them as the process may hold, in leases of `LEASE_COPIES`."""
        if destination.is_leasing:
            return
        left = self._room(wanted)
        while left > 0:
            limit = min(left, LEASE_COPIES)
            left -= limit
            self.asked_count += limit
            destination.asked.append(limit)
            self._order(Ask(destination.destination_id, limit))

    def ask_early(self, destination: Destination, width: int) -> None:
        """What is at hand is half of its appetite: more than one lease only of plenty."""
        appetite = max(2 * width, min(destination.appetite, MAX_APPETITE))
        destination.appetite = appetite
        if destination.backlog_copies * 2 <= appetite:
            wanted = appetite - destination.backlog_copies
            self.ask(destination, wanted if destination.has_plenty else min(LEASE_COPIES, wanted))

    def ended(self, destination: Destination, copy_count: int = 0) -> int:
        """The oldest one brought so many; returns its limit."""
        limit = destination.asked.popleft()
        self.asked_count -= limit
        self.held_count += copy_count
        return limit

    def settled(self, count: int) -> bool:
        """So many are on disk.  True: whoever found no room may ask again."""
        self.held_count -= count
        was_short, self._is_short = self._is_short, False
        return was_short

    def _room(self, wanted: int) -> int:
        """How many of so many may be asked for; 0 or less: none."""
        left = self._limits.max_leased - self.held_count - self.asked_count
        self._is_short = self._is_short or left < wanted
        return min(wanted, left)


class Onward:
    """destinations: what waits for each branch, by its hop and its site."""

    def __init__(self, fleet: Fleet, limits: Limits) -> None:
        self._fleet = fleet
        self._limits = limits
        self.destinations: dict[tuple[DestinationId, str], Destination] = {}

    def has_next(self, connection: ConnectionState, batch: RecipientBatch, now_s: float) -> bool:
        """Is there a host that it has not asked, and that does not rest?"""
        tried = {*batch.tried, connection.endpoint.key}
        if len(tried) >= self._limits.max_hosts:
            return False
        if batch.since_s and now_s - batch.since_s > TRY_S:
            return False
        return any(one.avoid_until_s <= now_s for one in _left(connection.site, tried))

    def move(
        self,
        connection: ConnectionState,
        batch: RecipientBatch,
        copies: tuple[LeasedCopy, ...],
        now_s: float,
    ) -> tuple[Destination, RecipientBatch]:
        """Those of its copies go on: where to, and as what."""
        tried = (*batch.tried, connection.endpoint.key)
        site = self._fleet.find_branch(connection.site, _left(connection.site, set(tried)), tried)
        key = batch.destination_id, site.plan.site
        destination = self.destinations.get(key)
        if destination is None:
            hop = connection.site.plan.next_hop
            destination = Destination(batch.destination_id, hop, 0, has_more=False)
            destination.is_branch, destination.plan_until_s = True, float("inf")
            self.destinations[key] = destination
        destination.site = site
        since_s = batch.since_s or now_s
        return destination, replace(
            batch, copies=copies, branch=key[1], tried=tried, since_s=since_s
        )

    def of_site(self, site: Site) -> Iterator[Destination]:
        return (one for one in tuple(self.destinations.values()) if one.site is site)

    def forget_quiet(self) -> None:
        for key, destination in tuple(self.destinations.items()):
            if destination.is_quiet:
                del self.destinations[key]


def make_batches(
    destination_id: DestinationId, copies: Sequence[LeasedCopy], max_recipients: int
) -> Iterator[RecipientBatch]:
    """Copies of one message and sender that stand together, `max_recipients` at most."""
    start = 0
    while start < len(copies):
        message_id = copies[start].ref.message_id
        end = start + 1
        while (
            end < len(copies)
            and end - start < max_recipients
            and copies[end].ref.message_id == message_id
            and copies[end].sender == copies[start].sender
        ):
            end += 1
        yield RecipientBatch(destination_id, message_id, tuple(copies[start:end]))
        start = end


def make_site(plan: DeliveryPlan, limits: Limits) -> Site:
    """Never more than half of the process's connections: a slow site leaves room for others."""
    wanted = plan.max_connections or limits.site_connections
    site = Site(
        plan,
        max(1, min(wanted, limits.max_connections // 2)),
        plan.pause_s or limits.site_pause_s,
        limits.max_recipients,
        limits.max_hosts,
    )
    site.follow(plan)
    return site


def _left(site: Site, tried: set[EndpointKey]) -> list[Endpoint]:
    """The hosts that were not asked, then other addresses of those that were."""
    names = {host for host, _, _ in tried}
    left = [one for one in (site.root or site).endpoints if one.key not in tried]
    left.sort(key=lambda one: one.hop.host in names)
    return left
