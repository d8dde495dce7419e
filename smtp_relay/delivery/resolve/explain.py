"""The way to a next hop in words, for `mailserver route`: every look-up, nothing sent.

The hall's command line loads this module by name and gets plain values back,
as it may not know the door's types.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, assert_never

import structlog

from mailserver.settings.model import Settings
from mailserver.store.ports.policies import Policies, StsPolicy
from mailserver.telemetry.log import Log
from smtp_relay.delivery.plan import Diverted, Hop, Itinerary, Unroutable, Way
from smtp_relay.delivery.resolve.finder import open_wayfinder

Explanation = dict[str, Any]


class _Peek:
    """Policies that are looked at: what is fetched for an explanation is not kept."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def read_sts_policy(self, domain: str) -> StsPolicy | None:
        return self._policies.read_sts_policy(domain)

    def write_sts_policy(self, policy: StsPolicy) -> None:
        """Not kept."""

    def forget_sts_policy(self, domain: str) -> None:
        """Not forgotten."""


def explain(settings: Settings, next_hop: str, policies: Policies) -> Explanation:
    """Find the way as the delivery agent would, now; blocks for `dns.lifetime_s` and a fetch.

    Returns:
        outcome: "relay", "hold", "refuse" (for good) or "defer" (for now); next_hop; dane;
        steps, a list of sentences; status and words, where there is no way; and where there
        is one: protocol, site, user_name, hosts (host, addresses, port, tls).
    """
    return asyncio.run(_explain(settings, next_hop, _Peek(policies)))


async def _explain(settings: Settings, next_hop: str, policies: Policies) -> Explanation:
    wayfinder = open_wayfinder(settings, policies, log=_silence())
    try:
        await wayfinder.test_resolver()
        way = await wayfinder.find(next_hop)
        told = tell(way)
        told["dane"] = wayfinder.dane_words
        if settings.delivery.fallback and isinstance(way, Itinerary):
            told["fallback"] = settings.delivery.fallback
        return told
    finally:
        await wayfinder.close()


def _silence() -> Log:
    """What the log would say stands in the steps and in `dane`."""
    log: Log = structlog.wrap_logger(None, processors=[_drop])
    return log


def _drop(*_event: object) -> NoReturn:
    raise structlog.DropEvent


def tell(way: Way) -> Explanation:
    told: Explanation = {"next_hop": way.next_hop, "steps": list(way.steps)}
    match way:
        case Itinerary():
            return told | {
                "outcome": "relay",
                "protocol": way.protocol.value,
                "site": way.site,
                "user_name": way.login.user_name if way.login else None,
                "hosts": [_tell_hop(hop) for hop in way.hops],
            }
        case Unroutable():
            outcome = "refuse" if way.is_permanent else "defer"
            return told | {"outcome": outcome, "status": way.status, "words": way.words}
        case Diverted():
            return told | {"outcome": "hold", "rule": way.rule, "words": way.reason}
        case _:
            assert_never(way)


def _tell_hop(hop: Hop) -> Explanation:
    return {
        "host": hop.host,
        "addresses": list(hop.addresses),
        "port": hop.port,
        "preference": hop.preference,
        "tls": {
            "level": hop.tls.level.name.lower(),
            "source": hop.tls.source,
            "names": list(hop.tls.names),
            "is_implicit": hop.tls.is_implicit,
        },
    }
