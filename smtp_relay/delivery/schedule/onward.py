"""Copies that one host does not take now, and that go on to the next one at once (RFC 5321 §5.1).

Pure.  What a host says of some recipients (4yz to RCPT, DATA or the end of the
message) is no reason to leave it: one greylisted mailbox would take everybody's
mail to the backup.  So these copies alone leave for a *branch*: a site of the
same hosts without those that they have asked, with connections of its own.

    given to a host -> 4yz -> branch {that host} -> 4yz -> branch {both} -> ... -> deferred

A try ends where no host is left that does not rest, after `max_hosts` of them,
or after `TRY_S`; the next one by the schedule begins with the first host again,
as greylisting wants it.  Hosts with another name come first: the next address
of the same one mostly says the same.  Branches lease nothing, make no notes
about their hop, and never wake a host that rests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mailserver.store.ports.queue import LeasedCopy
from mailserver.values.ids import DestinationId
from smtp_relay.delivery.schedule.destination import ConnectionState, Destination, Endpoint, Site
from smtp_relay.delivery.schedule.fleet import Fleet
from smtp_relay.delivery.schedule.orders import EndpointKey, Limits, RecipientBatch

TRY_S: Final = 1800.0
"""A try that has lasted longer asks no further host: what waits is told of, and expires."""


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


def _left(site: Site, tried: set[EndpointKey]) -> list[Endpoint]:
    """The hosts that were not asked, then other addresses of those that were."""
    names = {host for host, _, _ in tried}
    left = [one for one in (site.root or site).endpoints if one.key not in tried]
    left.sort(key=lambda one: one.hop.host in names)
    return left
