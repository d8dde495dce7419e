"""How long an agent believes that its leases are its own."""

from __future__ import annotations

from mailserver.store.ports.queue import LEASE_S
from mailserver.values.ids import AgentId
from smtp_relay.delivery.agent.leases import Tenure


class Agents:
    """A store that says yes until it is told otherwise."""

    def __init__(self) -> None:
        self.is_known = True

    def register_agent(self, *, now_s: float, until_s: float) -> AgentId:
        assert until_s == now_s + LEASE_S
        return AgentId(7)

    def renew_agent(self, agent_id: AgentId, *, until_s: float) -> bool:
        assert (agent_id, until_s) == (7, 1000.0 + LEASE_S)
        return self.is_known

    def resign_agent(self, agent_id: AgentId) -> None:
        self.is_known = False


def test_leases_are_ours_until_a_little_before_their_end() -> None:
    clock = [0.0]
    tenure = Tenure(Agents(), wall_s=lambda: 1000.0, clock_s=lambda: clock[0])
    tenure.begin()
    clock[0] = LEASE_S - 6
    assert tenure.is_still_ours()
    clock[0] = LEASE_S - 4
    assert not tenure.is_still_ours()


def test_a_renewal_counts_from_before_the_question() -> None:
    clock = [0.0]
    tenure = Tenure(Agents(), wall_s=lambda: 1000.0, clock_s=lambda: clock[0])
    tenure.begin()
    clock[0] = 20.0
    assert tenure.renew()
    clock[0] = 20.0 + LEASE_S - 6
    assert tenure.is_still_ours()


def test_who_was_taken_over_owns_nothing() -> None:
    agents = Agents()
    tenure = Tenure(agents, wall_s=lambda: 1000.0, clock_s=lambda: 0.0)
    tenure.begin()
    agents.is_known = False
    assert not tenure.renew()
    assert not tenure.is_still_ours()
