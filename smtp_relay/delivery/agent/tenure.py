"""How long an agent may believe that its leases are its own.

The store's word is good for `LEASE_S`; it is asked again every third of it.
What counts here is the monotonic clock from before the question, so that a
clock that jumps, or a process that was stopped, never believes too long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from mailserver.store.ports.queue import LEASE_S
from mailserver.values.ids import AgentId

MARGIN_S: Final = 5.0
"""Others take over at the end of the lease; what is under way must be through before."""


class Agents(Protocol):
    def register_agent(self, *, now_s: float, until_s: float) -> AgentId: ...

    def renew_agent(self, agent_id: AgentId, *, until_s: float) -> bool: ...

    def resign_agent(self, agent_id: AgentId) -> None: ...


class Tenure:
    """`renew` and `end` may block; `is_still_ours` is asked before each final dot."""

    def __init__(
        self, agents: Agents, *, wall_s: Callable[[], float], clock_s: Callable[[], float]
    ) -> None:
        self._agents = agents
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._agent_id: AgentId | None = None
        self._until_s = 0.0

    def begin(self) -> AgentId:
        began_s, now_s = self._clock_s(), self._wall_s()
        self._agent_id = self._agents.register_agent(now_s=now_s, until_s=now_s + LEASE_S)
        self._until_s = began_s + LEASE_S - MARGIN_S
        return self._agent_id

    def renew(self) -> bool:
        """False: it was taken over; nothing that it held is its own any more."""
        assert self._agent_id is not None
        began_s = self._clock_s()
        if not self._agents.renew_agent(self._agent_id, until_s=self._wall_s() + LEASE_S):
            self._until_s = 0.0
            return False
        self._until_s = began_s + LEASE_S - MARGIN_S
        return True

    def is_still_ours(self) -> bool:
        return self._clock_s() < self._until_s

    def end(self) -> None:
        if self._agent_id is not None:
            self._agents.resign_agent(self._agent_id)
