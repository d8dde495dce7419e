"""All connections of one agent: which site gets the next one, and who gives one up.

Pure.  Sites that want a connection get one in turn.  When the process has all the
connections that it may have, a site without any gets one of who is idle, else of who
has most.  So a slow site never keeps the others waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from smtp_relay.delivery.plan import DeliveryPlan
from smtp_relay.delivery.schedule.destination import ConnectionState, Endpoint, Site, make_site
from smtp_relay.delivery.schedule.orders import Close, EndpointKey, Limits, Open, Order, Warn
from smtp_relay.delivery.verdicts import ConnectionFailure

PLAIN_S: Final = 86_400.0
"""A host that loses what is pipelined gets one command at a time for so long."""
MAX_PLAIN: Final = 10_000
LOSES_BEHIND_MAIL: Final = "next hop loses what is sent with MAIL: one command at a time for a day"
LOSES_PAST_DOT: Final = "next hop loses what follows a message: one at a time from now on"


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
