"""A next hop and the set of hosts that serves it: how much to lease, which address when.

Pure; the clock comes in (monotonic).

A `Destination` is one next hop: what it holds, and how much more it should lease.  `appetite`
is how many copies should be at hand: twice the connections at first, twice as many each time that a
connection had nothing to do while a lease was on its way, and half when what was leased lasted over
`LASTING_S`.  So a fast destination never starves and a slow one holds little.

A `Site` is one set of hosts; several destinations with one site share its connections, in turn.
The window says how many connections may be open.  It begins at `FIRST_WINDOW`, grows by one for
each window of served transactions, halves on a refusal, is never over the limit nor under one.

An address rests for `AVOID_S` after it failed, or for `SHORT_REST_S` where it had just served;
when all rest and no connection is left, the site has failed (`has_failed`).  Where a host takes
nothing (4yz to MAIL, 421, a connection that breaks), it rests as long as there is another one to
turn to.  A last one rests for `REFUSED_IN_A_ROW` such answers only: one may be about one sender.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mailserver.store.ports.queue import LeasedCopy
from mailserver.values.ids import DestinationId
from smtp_relay.delivery.plan import DeliveryPlan, Hop, TlsDemand, TlsLevel
from smtp_relay.delivery.schedule.orders import (
    EndpointKey,
    Fate,
    Note,
    RecipientBatch,
    Trouble,
    temporary,
)
from smtp_relay.delivery.verdicts import ConnectionFailure

MAX_APPETITE: Final = 1000
LASTING_S: Final = 2.0
FIRST_WINDOW: Final = 5
AVOID_S: Final = 600.0  # longer than the first retry, so that it meets another host
SHORT_REST_S: Final = 60.0
"""Of a host that ends a session in which it served: it has enough for now, and will do again."""
REFUSED_PAUSE_S: Final = 10.0
"""After a host has said that it has enough of us: nothing new is opened for so long."""
REFUSED_IN_A_ROW: Final = 5
CONNECTION_DEPTH: Final = 2
"""Transactions on one connection: one in transfer, one that waits: the next MAIL is pipelined."""
HANDSHAKE_FAILED: Final = "the TLS handshake failed"
_BROKE: Final = Trouble(status="4.4.2", words="each connection broke during a transaction")


@dataclass(slots=True, eq=False)
class Destination:
    """has_more: something is due in the store that nobody has leased.
    has_plenty: the last lease was full, and more is due.
    asked: the limits of the leases that are on their way, in order.
    flying_count: copies on connections.
    failure, fate: why all that is leased is settled at once, and how.
    is_noting: its hop has failed and the note is on its way to the disk.
    is_branch: it holds what goes on to further hosts only (`fleet.Onward`).
    """

    destination_id: DestinationId
    next_hop: str
    failure_count: int
    has_more: bool = True
    site: Site | None = None
    plan_until_s: float = 0.0
    is_resolving: bool = False
    is_detoured: bool = False
    asked: deque[int] = field(default_factory=deque)
    has_plenty: bool = False
    is_noting: bool = False
    is_branch: bool = False
    failure: Trouble | None = None
    fate: Fate = Fate.DEFER
    backlog: deque[RecipientBatch] = field(default_factory=deque)
    backlog_copies: int = 0
    flying_count: int = 0
    appetite: int = 0
    leased_at_s: float = 0.0

    @property
    def is_leasing(self) -> bool:
        return bool(self.asked)

    @property
    def is_quiet(self) -> bool:
        """Nothing of it is here, nothing is on its way."""
        return not (
            self.has_more
            or self.backlog
            or self.flying_count
            or self.is_leasing
            or self.is_resolving
            or self.is_noting
        )

    @property
    def may_detour(self) -> bool:
        """By the fall-back relay; a route is somebody's wish."""
        is_route = self.next_hop.startswith("route:")
        return not is_route and not self.is_detoured and not self.is_noting

    def note(self, error: str) -> Note:
        return Note(self.destination_id, self.next_hop, self.failure_count, error)

    def starve(self) -> None:
        """A connection had nothing to do while more was due: be earlier next time."""
        self.appetite = min(2 * self.appetite, MAX_APPETITE)

    def slow_down(self, now_s: float) -> None:
        if now_s - self.leased_at_s > LASTING_S:
            self.appetite //= 2
        self.leased_at_s = now_s

    def take_in(self, batches: Sequence[RecipientBatch]) -> None:
        self.backlog.extend(batches)
        self.backlog_copies += sum(len(batch.copies) for batch in batches)

    def put_back(self, batch: RecipientBatch) -> None:
        """What a lost connection had not touched goes first."""
        self.backlog.appendleft(batch)
        self.backlog_copies += len(batch.copies)

    def take_out(self, max_recipients: int) -> RecipientBatch:
        """The next one, or as much of it as goes in one transaction."""
        batch = self.backlog.popleft()
        if len(batch.copies) > max_recipients:
            rest = replace(batch, copies=batch.copies[max_recipients:])
            self.backlog.appendleft(rest)
            batch = replace(batch, copies=batch.copies[:max_recipients])
        self.backlog_copies -= len(batch.copies)
        return batch

    def wait(self, batch_count: int) -> None:
        """Its newest batches wait for connections of its site, in turn with others."""
        site = self.site
        if site is None or not batch_count:
            return
        if len(self.backlog) == batch_count:
            site.turns.append(self)
        site.waiting_count += batch_count

    def stop_waiting(self) -> None:
        """Its batches do not wait for connections of its site any more."""
        if self.site is not None and self.backlog:
            self.site.waiting_count -= len(self.backlog)
            self.site.turns.remove(self)

    def leave_site(self) -> None:
        self.stop_waiting()
        self.site = None

    def drop_backlog(self) -> list[LeasedCopy]:
        copies = [copy for batch in self.backlog for copy in batch.copies]
        self.backlog.clear()
        self.backlog_copies = 0
        return copies


@dataclass(slots=True)
class Endpoint:
    """One address of one host.  why: it rests, and that was in this round of tries."""

    hop: Hop
    address: str
    avoid_until_s: float = 0.0
    is_in_clear: bool = False
    why: Trouble | None = None

    @property
    def key(self) -> EndpointKey:
        return self.hop.host, self.address, self.hop.port

    def demanded(self) -> Hop:
        """The hop as the next connection must see it."""
        if not self.is_in_clear:
            return self.hop
        return replace(self.hop, tls=TlsDemand(level=TlsLevel.NONE, source=HANDSHAKE_FAILED))

    def may_go_clear(self, failure: ConnectionFailure) -> bool:
        """Did only a TLS that nobody demanded fail?"""
        return failure.may_try_in_clear and not failure.is_policy and not self.is_in_clear


@dataclass(slots=True, eq=False)
class ConnectionState:
    """A connection as its site sees it."""

    number: int
    site: Site
    endpoint: Endpoint
    was_in_clear: bool
    is_open: bool = False
    is_closing: bool = False
    load: int = 0  # transactions on it
    given_count: int = 0
    done_count: int = 0
    has_served: bool = False
    idle_since_s: float = 0.0


@dataclass(slots=True, eq=False)
class Site:
    """max_recipients: of one transaction; less once a host has said that it takes no more.
    waiting_count: batches of its destinations that no connection has yet.
    loses_past_dot: what follows a final dot unanswered is lost there, so nothing does any more.
    failed_hosts: that took no connection since one served, or since the round of tries began.
    root: of a branch, which has some of its endpoints (`fleet.Onward`); None: it is none.
    """

    plan: DeliveryPlan
    limit: int
    pause_s: float
    max_recipients: int
    max_hosts: int
    root: Site | None = None
    endpoints: list[Endpoint] = field(default_factory=list)
    connections: dict[int, ConnectionState] = field(default_factory=dict)
    turns: deque[Destination] = field(default_factory=deque)
    waiting_count: int = 0
    opening_count: int = 0
    window: float = FIRST_WINDOW
    open_not_before_s: float = 0.0
    give_not_before_s: float = 0.0
    refused_count: int = 0
    last_trouble: Trouble | None = None
    failed_hosts: set[str] = field(default_factory=set)
    policy_failed: bool = False
    loses_past_dot: bool = False

    def follow(self, plan: DeliveryPlan) -> None:
        """A newer answer for the same site: what is known of an address stays known."""
        known = {endpoint.key: endpoint for endpoint in self.endpoints}
        self.plan = plan
        self.endpoints = []
        for hop in plan.hops:
            for address in hop.addresses:
                endpoint = known.get((hop.host, address, hop.port), Endpoint(hop, address))
                if endpoint.hop != hop:
                    endpoint.hop, endpoint.is_in_clear = hop, False
                self.endpoints.append(endpoint)

    @property
    def depth(self) -> int:
        return 1 if self.pause_s or self.loses_past_dot else CONNECTION_DEPTH

    @property
    def width(self) -> int:
        """Connections that it may have now."""
        return 1 if self.pause_s else max(1, min(int(self.window), self.limit))

    def next_endpoint(self, now_s: float) -> Endpoint | None:
        """The first that is not avoided."""
        for endpoint in self.endpoints:
            if endpoint.avoid_until_s <= now_s:
                return endpoint
        return None

    def wants_connection(self, now_s: float) -> bool:
        return (
            self.waiting_count > self.opening_count
            and len(self.connections) < self.width
            and now_s >= max(self.open_not_before_s, self.give_not_before_s)
        )

    def may_give(self, connection: ConnectionState, now_s: float) -> bool:
        """A second transaction goes to a connection only when none is coming that could take it."""
        if not connection.is_open or connection.is_closing or connection.load >= self.depth:
            return False
        if now_s < self.give_not_before_s:
            return False
        return connection.load == 0 or self.waiting_count > self.opening_count

    # --- what happened -----------------------------------------------------------

    def served(self) -> None:
        self.refused_count = 0
        self.policy_failed = False
        self.failed_hosts.clear()
        if self.window < self.limit:
            self.window += 1 / self.window

    def refused(self, connection: ConnectionState, why: Trouble | None, now_s: float) -> bool:
        """A host has enough of us.  True: it rests, and another one is asked meanwhile."""
        if self._rest(connection, why or _BROKE, now_s):
            return True
        self.refused_count += 1
        self._slow_down(now_s)
        return False

    def broke(self, connection: ConnectionState, why: Trouble | None, now_s: float) -> bool:
        """A transaction broke.  True: the host rests, and another one is asked meanwhile."""
        self.window = max(1.0, self.window - 1)
        if self._rest(connection, why or _BROKE, now_s):
            return True
        self.refused_count += 1
        return False

    def failed_to_open(
        self, connection: ConnectionState, failure: ConnectionFailure, now_s: float
    ) -> None:
        """A connection that never served: the next address, in clear, or fewer at a time."""
        endpoint = connection.endpoint
        if not connection.was_in_clear and endpoint.is_in_clear:
            return  # others learnt already that it must go in clear
        if endpoint.may_go_clear(failure):
            endpoint.is_in_clear = True
        elif self.serves_at(endpoint):
            self._slow_down(now_s)
        else:
            self._avoid(endpoint, _trouble_of(failure, endpoint), now_s + AVOID_S)
            self.failed_hosts.add(endpoint.hop.host)
            self.policy_failed = self.policy_failed or failure.is_policy

    def serves_at(self, endpoint: Endpoint) -> bool:
        return any(one.is_open and one.endpoint is endpoint for one in self.connections.values())

    def _rest(self, connection: ConnectionState, why: Trouble, now_s: float) -> bool:
        """Nothing for this host, if there is another one, which a branch leaves to its root."""
        self.last_trouble = why
        every = (self.root or self).endpoints
        if not any(one is not connection.endpoint and one.avoid_until_s <= now_s for one in every):
            return False
        self._avoid(
            connection.endpoint, why, now_s + (SHORT_REST_S if connection.has_served else AVOID_S)
        )
        return True

    def _avoid(self, endpoint: Endpoint, why: Trouble, until_s: float) -> None:
        endpoint.avoid_until_s = max(endpoint.avoid_until_s, until_s)
        endpoint.why = self.last_trouble = why

    def _slow_down(self, now_s: float) -> None:
        """Half as many connections, and nothing new for a while."""
        self.window = max(1.0, min(self.window, len(self.connections)) / 2)
        self.open_not_before_s = now_s + REFUSED_PAUSE_S

    # --- what follows from it -------------------------------------------------------

    def has_better(self, connection: ConnectionState, now_s: float) -> bool:
        """May a host that its domain prefers be asked again?"""
        best = self.next_endpoint(now_s)
        return best is not None and best.hop.preference < connection.endpoint.hop.preference

    def has_failed(self, now_s: float) -> bool:
        """No address is left to try, enough hosts were, or each transaction is refused."""
        if self.refused_count >= REFUSED_IN_A_ROW and self.refused_count >= self.width:
            return True
        if self.connections:
            return False
        return len(self.failed_hosts) >= self.max_hosts or self.next_endpoint(now_s) is None

    def trouble(self) -> Trouble:
        """Why no host of it takes anything now: the last one's words, those of others before."""
        known = [one.why for one in self.endpoints if one.why is not None]
        last = self.last_trouble or (known[-1] if known else _BROKE)
        return replace(last, before=tuple(one for one in known if one is not last))

    def is_blank(self, now_s: float) -> bool:
        """Nothing was learnt here that is worth keeping."""
        return not self.loses_past_dot and all(
            endpoint.avoid_until_s <= now_s for endpoint in self.endpoints
        )

    def end_round(self, now_s: float) -> None:
        """Its hop rests.  Where every address was tried, all may be tried again after that."""
        self.window, self.refused_count = FIRST_WINDOW, 0
        self.last_trouble = None
        self.failed_hosts.clear()
        self.policy_failed = False
        if self.root is not None:
            return  # its endpoints are others', too
        for endpoint in self.endpoints:
            endpoint.why = None
        if self.next_endpoint(now_s) is None:
            self.start_again()

    def start_again(self) -> None:
        """Every address may be tried."""
        self.window, self.refused_count = FIRST_WINDOW, 0
        self.last_trouble = None
        self.failed_hosts.clear()
        self.policy_failed = False
        for endpoint in self.endpoints:
            endpoint.avoid_until_s, endpoint.is_in_clear, endpoint.why = 0.0, False, None


def _trouble_of(failure: ConnectionFailure, endpoint: Endpoint) -> Trouble:
    return Trouble(
        status=temporary(failure.status),
        words=f"{failure.phase.value}: {failure.words}",
        host=endpoint.hop.host,
        address=f"[{endpoint.address}]:{endpoint.hop.port}",
    )
