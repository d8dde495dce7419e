"""All links of one agent: which site gets the next one, and who gives one up.

Pure.  Sites that want a link get one in turn.  When the process has all the
links that it may have, a site without any gets one of who is idle, else of who
has most.  So a slow site never keeps the others waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from smtp_relay.delivery.plan import Itinerary
from smtp_relay.delivery.schedule.destination import Endpoint, Line, Site, make_site
from smtp_relay.delivery.schedule.orders import Close, EndpointKey, Limits, Open, Order, Warn
from smtp_relay.delivery.verdicts import LinkFailure

PLAIN_S: Final = 86_400.0
"""A host that loses what is pipelined gets one command at a time for so long."""
MAX_PLAIN: Final = 10_000
LOSES_BEHIND_MAIL: Final = "next hop loses what is sent with MAIL: one command at a time for a day"
LOSES_PAST_DOT: Final = "next hop loses what follows a message: one at a time from now on"


class Fleet:
    """order: takes what the shell must do."""

    def __init__(self, limits: Limits, order: Callable[[Order], None]) -> None:
        self.lines: dict[int, Line] = {}
        self.sites: dict[str, Site] = {}
        self._limits = limits
        self._order = order
        self._hungry: dict[str, Site] = {}  # in turn
        self._plain_until_s: dict[tuple[str, int], float] = {}  # (host, port)
        self._numbers = count(1)
        self._is_draining = False

    def find_site(self, way: Itinerary, now_s: float) -> Site:
        """The site of this way, with the newest that is known of its hosts."""
        site = self.sites.get(way.site)
        if site is None:
            site = self.sites[way.site] = make_site(way, self._limits)
        else:
            site.follow(way)
        if not site.lines and site.next_endpoint(now_s) is None:
            site.start_again()  # the back-off of the hop is over, or this hop is new to it
        return site

    def find_branch(
        self, site: Site, endpoints: Sequence[Endpoint], tried: Sequence[EndpointKey]
    ) -> Site:
        """The site of these endpoints, which are its root's: what one learns the other knows.

        Where the limits are a rule's own, it has one link beside its root's.
        """
        root = site.root or site
        asked = " ".join(f"{host}[{address}]:{port}" for host, address, port in sorted(tried))
        key = f"{root.itinerary.site} without {asked}"
        branch = self.sites.get(key)
        if branch is None:
            branch = self.sites[key] = make_site(root.itinerary, self._limits)
            branch.itinerary = replace(root.itinerary, site=key)
            if root.itinerary.max_connections:
                branch.limit = 1
        branch.root, branch.endpoints = root, list(endpoints)
        branch.loses_past_dot = root.loses_past_dot
        return branch

    def leave(self, endpoint: Endpoint) -> None:
        """It rests: what its links carry comes through, and nothing more is given to them."""
        for line in self.lines.values():
            if line.endpoint is endpoint:
                self.close(line)

    def feed(self, site: Site, now_s: float) -> None:
        """It has more waiting than its links can take."""
        if site.wants_line(now_s) and site.next_endpoint(now_s) is not None:
            self._hungry[site.itinerary.site] = site
            self.open_hungry(now_s)

    def open_hungry(self, now_s: float) -> None:
        """One link for each site in turn, as long as the process may have more."""
        while self._hungry and len(self.lines) < self._limits.max_links:
            key = next(iter(self._hungry))
            site = self._hungry.pop(key)
            endpoint = site.next_endpoint(now_s)
            if self._is_draining or endpoint is None or not site.wants_line(now_s):
                continue
            number = next(self._numbers)
            line = Line(number, site, endpoint, endpoint.is_in_clear)
            self.lines[number] = site.lines[number] = line
            site.opening_count += 1
            self._order(
                Open(
                    number,
                    site.itinerary,
                    endpoint.demanded(),
                    endpoint.address,
                    may_pipeline=not self._is_plain(endpoint, now_s),
                )
            )
            self._hungry[key] = site
        if self._hungry:
            self._make_room()

    def opened(self, number: int, now_s: float) -> Line:
        line = self.lines[number]
        line.is_open, line.idle_since_s = True, now_s
        line.site.opening_count -= 1
        return line

    def lost(self, number: int, failure: LinkFailure | None, now_s: float) -> Line:
        line = self.lines.pop(number)
        site = line.site
        del site.lines[number]
        if not line.is_open:
            site.opening_count -= 1
        if failure is not None and failure.lost_past_dot and not site.loses_past_dot:
            site.loses_past_dot = True
            self._order(Warn(LOSES_PAST_DOT, line.endpoint.hop.host, failure.words))
        if failure is not None and failure.lost_behind_mail:
            self._be_plain(line.endpoint, failure, now_s)
        return line

    def _is_plain(self, endpoint: Endpoint, now_s: float) -> bool:
        key = endpoint.hop.host, endpoint.hop.port
        return self._plain_until_s.get(key, 0.0) > now_s

    def _be_plain(self, endpoint: Endpoint, failure: LinkFailure, now_s: float) -> None:
        """Its other links would lose as much: they end with what they carry."""
        key = endpoint.hop.host, endpoint.hop.port
        if not self._is_plain(endpoint, now_s):
            self._order(Warn(LOSES_BEHIND_MAIL, endpoint.hop.host, failure.words))
        self._plain_until_s.pop(key, None)
        self._plain_until_s[key] = now_s + PLAIN_S
        if len(self._plain_until_s) > MAX_PLAIN:
            del self._plain_until_s[next(iter(self._plain_until_s))]
        for line in self.lines.values():
            if (line.endpoint.hop.host, line.endpoint.hop.port) == key:
                self.close(line)

    def close(self, line: Line) -> None:
        if not line.is_closing:
            line.is_closing = True
            self._order(Close(line.number))

    def close_idle(self, now_s: float) -> None:
        for line in self.lines.values():
            if line.is_open and not line.load and now_s - line.idle_since_s >= self._limits.idle_s:
                self.close(line)

    def prune(self, used: Collection[int], now_s: float) -> None:
        """Forget sites that nobody uses and where nothing was learnt; used: their `id()`s."""
        for key, site in tuple(self.sites.items()):
            if not site.lines and id(site) not in used and site.is_blank(now_s):
                del self.sites[key]

    def drain(self) -> None:
        self._is_draining = True
        for line in self.lines.values():
            self.close(line)

    def _make_room(self) -> None:
        poor = sum(1 for site in self._hungry.values() if not site.lines)
        closing = sum(1 for line in self.lines.values() if line.is_closing)
        while closing < poor:
            kept = [line for line in self.lines.values() if not line.is_closing]
            idle = [line for line in kept if not line.load and line.is_open]
            spare = idle or [line for line in kept if len(line.site.lines) > 1]
            if not spare:
                return
            self.close(max(spare, key=lambda line: len(line.site.lines)))
            closing += 1
