"""Cached MTA-STS policies (RFC 8461 §5.1), shared by all agents."""

from __future__ import annotations

from mailserver.store.ports.policies import StsPolicy
from mailserver.store.sql.engine import Engine, first

_READ = """
    SELECT policy_id, mode, hosts, max_age_s, fetched_at_s FROM sts_policy WHERE domain = ?"""
_WRITE = """
    INSERT INTO sts_policy (domain, policy_id, mode, hosts, max_age_s, fetched_at_s)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, mode = excluded.mode,
        hosts = excluded.hosts, max_age_s = excluded.max_age_s,
        fetched_at_s = excluded.fetched_at_s"""
_FORGET = "DELETE FROM sts_policy WHERE domain = ?"


class SqlPolicies:
    """The `Policies` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_sts_policy(self, domain: str) -> StsPolicy | None:
        row = first(self._engine.read(_READ, (domain,)))
        if row is None:
            return None
        policy_id, mode, hosts, max_age_s, fetched_at_s = row
        return StsPolicy(
            domain=domain,
            policy_id=policy_id,
            mode=mode,
            hosts=tuple(hosts.splitlines()),
            max_age_s=max_age_s,
            fetched_at_s=fetched_at_s,
        )

    def write_sts_policy(self, policy: StsPolicy) -> None:
        row = (
            policy.domain,
            policy.policy_id,
            policy.mode,
            "\n".join(policy.hosts),
            policy.max_age_s,
            policy.fetched_at_s,
        )
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_WRITE, row)

    def forget_sts_policy(self, domain: str) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_FORGET, (domain,))
