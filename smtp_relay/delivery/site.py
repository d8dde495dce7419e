"""One set of hosts: how many links it gets, and which of its addresses is tried next.

Pure; the clock comes in (monotonic).  The window says how many links may be
open.  It begins at `FIRST_WINDOW`, grows by one link for each window of served
parcels, halves on a refusal, and is never over the limit nor under one.
Several destinations with one site share its links, in turn.

An address is avoided for `AVOID_S` after it failed; when all are avoided and
no link is left, the site has failed (`has_failed`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from smtp_relay.delivery.destination import Destination
from smtp_relay.delivery.dispatch_orders import Limits, Trouble, temporary
from smtp_relay.delivery.plan import Hop, Itinerary, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import LinkFailure

FIRST_WINDOW: Final = 5
AVOID_S: Final = 600.0  # longer than the first retry, so that it meets another host
REFUSED_PAUSE_S: Final = 10.0
"""After a host has said that it has enough of us: nothing new is opened for so long."""
BROKEN_IN_A_ROW: Final = 5
LINK_DEPTH: Final = 2
"""Parcels on one link: one in transfer, one that waits, so that the next MAIL is pipelined."""
HANDSHAKE_FAILED: Final = "the TLS handshake failed"


@dataclass(slots=True)
class Endpoint:
    """One address of one host."""

    hop: Hop
    address: str
    avoid_until_s: float = 0.0
    is_in_clear: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        return self.hop.host, self.address, self.hop.port

    def demanded(self) -> Hop:
        """The hop as the next link must see it."""
        if not self.is_in_clear:
            return self.hop
        return replace(self.hop, tls=TlsDemand(level=TlsLevel.NONE, source=HANDSHAKE_FAILED))

    def may_go_clear(self, failure: LinkFailure) -> bool:
        """Did only a TLS that nobody demanded fail?"""
        return failure.may_try_in_clear and not failure.is_policy and not self.is_in_clear


@dataclass(slots=True, eq=False)
class Line:
    """A link as its site sees it."""

    number: int
    site: Site
    endpoint: Endpoint
    was_in_clear: bool
    is_open: bool = False
    is_closing: bool = False
    load: int = 0  # parcels on it
    given_count: int = 0
    done_count: int = 0
    idle_since_s: float = 0.0


@dataclass(slots=True, eq=False)
class Site:
    """
    max_recipients: of one transaction; less once a host has said that it takes no more.
    waiting_count: bundles of its destinations that no link has yet.
    loses_past_dot: what follows a final dot unanswered is lost there, so nothing does any more.
    """

    itinerary: Itinerary
    limit: int
    pause_s: float
    max_recipients: int
    endpoints: list[Endpoint] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)
    turns: deque[Destination] = field(default_factory=deque)
    waiting_count: int = 0
    opening_count: int = 0
    window: float = FIRST_WINDOW
    open_not_before_s: float = 0.0
    give_not_before_s: float = 0.0
    broken_count: int = 0
    last_failure: LinkFailure | None = None
    last_endpoint: Endpoint | None = None
    policy_failed: bool = False
    loses_past_dot: bool = False

    def follow(self, itinerary: Itinerary) -> None:
        """A newer answer for the same site: what is known of an address stays known."""
        known = {endpoint.key: endpoint for endpoint in self.endpoints}
        self.itinerary = itinerary
        self.endpoints = []
        for hop in itinerary.hops:
            for address in hop.addresses:
                endpoint = known.get((hop.host, address, hop.port), Endpoint(hop, address))
                if endpoint.hop != hop:
                    endpoint.hop, endpoint.is_in_clear = hop, False
                self.endpoints.append(endpoint)

    @property
    def depth(self) -> int:
        return 1 if self.pause_s or self.loses_past_dot else LINK_DEPTH

    @property
    def width(self) -> int:
        """Links that it may have now."""
        return 1 if self.pause_s else max(1, min(int(self.window), self.limit))

    def next_endpoint(self, now_s: float) -> Endpoint | None:
        """The first that is not avoided."""
        for endpoint in self.endpoints:
            if endpoint.avoid_until_s <= now_s:
                return endpoint
        return None

    def wants_line(self, now_s: float) -> bool:
        return (
            self.waiting_count > self.opening_count
            and len(self.lines) < self.width
            and now_s >= max(self.open_not_before_s, self.give_not_before_s)
        )

    def may_give(self, line: Line, now_s: float) -> bool:
        """A second parcel goes to a link only when no link is coming that could take it."""
        if not line.is_open or line.is_closing or line.load >= self.depth:
            return False
        if now_s < self.give_not_before_s:
            return False
        return line.load == 0 or self.waiting_count > self.opening_count

    # --- what happened -----------------------------------------------------------

    def served(self) -> None:
        self.broken_count = 0
        self.policy_failed = False
        if self.window < self.limit:
            self.window += 1 / self.window

    def refused(self, now_s: float) -> None:
        """A host has enough of us: half as many, and nothing new for a while."""
        self.window = max(1.0, min(self.window, len(self.lines)) / 2)
        self.open_not_before_s = now_s + REFUSED_PAUSE_S

    def broke(self, line: Line, now_s: float) -> None:
        """A transaction broke: another host next time, if there is one."""
        self.broken_count += 1
        self.window = max(1.0, self.window - 1)
        if any(e.avoid_until_s <= now_s for e in self.endpoints if e is not line.endpoint):
            line.endpoint.avoid_until_s = now_s + AVOID_S

    def failed_to_open(self, line: Line, failure: LinkFailure, now_s: float) -> None:
        """A link that never served: the next address, in clear, or fewer at a time."""
        endpoint = line.endpoint
        self.last_failure, self.last_endpoint = failure, endpoint
        if not line.was_in_clear and endpoint.is_in_clear:
            return  # others learnt already that it must go in clear
        if endpoint.may_go_clear(failure):
            endpoint.is_in_clear = True
        elif self.serves_at(endpoint):
            self.refused(now_s)
        else:
            endpoint.avoid_until_s = now_s + AVOID_S
            self.policy_failed = self.policy_failed or failure.is_policy

    def serves_at(self, endpoint: Endpoint) -> bool:
        return any(one.is_open and one.endpoint is endpoint for one in self.lines.values())

    def has_failed(self, now_s: float) -> bool:
        """No address is left to try, or each transaction breaks."""
        if self.broken_count >= BROKEN_IN_A_ROW and self.broken_count >= self.width:
            return True
        return not self.lines and self.last_failure is not None and not self.next_endpoint(now_s)

    def trouble(self) -> Trouble:
        """Why no host of it takes anything now."""
        failure, endpoint = self.last_failure, self.last_endpoint
        if failure is None or endpoint is None:
            return Trouble(status="4.4.2", words="each connection broke during a transaction")
        return Trouble(
            status=temporary(failure.status),
            words=f"{failure.phase.value}: {failure.words}",
            host=endpoint.hop.host,
            address=f"[{endpoint.address}]:{endpoint.hop.port}",
        )

    def is_blank(self, now_s: float) -> bool:
        """Nothing was learnt here that is worth keeping."""
        return not self.loses_past_dot and all(
            endpoint.avoid_until_s <= now_s for endpoint in self.endpoints
        )

    def start_again(self) -> None:
        """After the back-off of the hop: every address may be tried."""
        self.window, self.broken_count = FIRST_WINDOW, 0
        self.last_failure = self.last_endpoint = None
        self.policy_failed = False
        for endpoint in self.endpoints:
            endpoint.avoid_until_s, endpoint.is_in_clear = 0.0, False


def make_site(itinerary: Itinerary, limits: Limits) -> Site:
    """Never more than half of the process's links, so that one slow site leaves room for others."""
    wanted = itinerary.max_connections or limits.site_links
    site = Site(
        itinerary,
        max(1, min(wanted, limits.max_links // 2)),
        itinerary.pause_s or limits.site_pause_s,
        limits.max_recipients,
    )
    site.follow(itinerary)
    return site
