"""Policies in a dict, and fetchers that need no network."""

from __future__ import annotations

from mailserver.store.ports.policies import StsPolicy
from smtp_relay.delivery.security.sts_fetch import CannotFetch


class KeptPolicies:
    """What the store's port does, in memory."""

    def __init__(self, *policies: StsPolicy | None) -> None:
        self.kept = {policy.domain: policy for policy in policies if policy is not None}

    def read_sts_policy(self, domain: str) -> StsPolicy | None:
        return self.kept.get(domain)

    def write_sts_policy(self, policy: StsPolicy) -> None:
        self.kept[policy.domain] = policy

    def forget_sts_policy(self, domain: str) -> None:
        self.kept.pop(domain, None)


class NoFetch:
    async def fetch(self, domain: str) -> bytes:
        raise CannotFetch("no network here")


class TableFetch:
    """bodies: of each domain; a domain without one cannot be fetched."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []

    async def fetch(self, domain: str) -> bytes:
        self.asked.append(domain)
        if domain not in self.bodies:
            raise CannotFetch("nobody there")
        return self.bodies[domain]
