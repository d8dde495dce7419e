"""The resolution of a next hop in words, for `mailserver route`: every look-up, nothing sent.

The core's command line loads this module by name and gets plain values back,
as it may not know the door's types.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, assert_never

import structlog

from mailserver.settings.model import Settings
from mailserver.store.ports.policies import Policies, StsPolicy
from mailserver.telemetry.log import Log
from smtp_relay.delivery.plan import DeliveryPlan, Diverted, Hop, Resolution, Unroutable
from smtp_relay.delivery.resolve.hop_resolver import open_hop_resolver

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
    """Resolve it as the delivery agent would, now; blocks for `dns.lifetime_s` and a fetch.

    Returns:
        outcome: "relay", "hold", "refuse" (for good) or "defer" (for now); next_hop; dane;
        steps, a list of sentences; status and words, where there is no plan; and where there
        is one: protocol, site, user_name, hosts (host, addresses, port, tls).
    """
    return asyncio.run(_explain(settings, next_hop, _Peek(policies)))


async def _explain(settings: Settings, next_hop: str, policies: Policies) -> Explanation:
    hop_resolver = open_hop_resolver(settings, policies, log=_silence())
    try:
        await hop_resolver.test_resolver()
        resolution = await hop_resolver.find(next_hop)
        told = tell(resolution)
        told["dane"] = hop_resolver.dane_words
        if settings.delivery.fallback and isinstance(resolution, DeliveryPlan):
            told["fallback"] = settings.delivery.fallback
        return told
    finally:
        await hop_resolver.close()


def _silence() -> Log:
    """What the log would say stands in the steps and in `dane`."""
    log: Log = structlog.wrap_logger(None, processors=[_drop])
    return log


def _drop(*_event: object) -> NoReturn:
    raise structlog.DropEvent


def tell(resolution: Resolution) -> Explanation:
    told: Explanation = {"next_hop": resolution.next_hop, "steps": list(resolution.steps)}
    match resolution:
        case DeliveryPlan():
            return told | {
                "outcome": "relay",
                "protocol": resolution.protocol.value,
                "site": resolution.site,
                "user_name": resolution.login.user_name if resolution.login else None,
                "hosts": [_tell_hop(hop) for hop in resolution.hops],
            }
        case Unroutable():
            outcome = "refuse" if resolution.is_permanent else "defer"
            return told | {
                "outcome": outcome,
                "status": resolution.status,
                "words": resolution.words,
            }
        case Diverted():
            return told | {"outcome": "hold", "rule": resolution.rule, "words": resolution.reason}
        case _:
            assert_never(resolution)


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
