"""Agents: who may hold leases, and giving back what the dead and the late held.

Whether an agent lives is the engine's to know (`Slots`); its row changes with
each renewal.  Late is an agent whose row has stood unchanged for `LEASE_S`,
as the monotonic clock of whoever looks counts: the machine's own clock may
jump, and then all agents would seem late at once, in the middle of their mail.
An agent that is being given up has `until_s` 0, so it leases nothing more while
what it held goes back in slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.queue import LEASE_S
from mailserver.store.ports.shared.locks import Slots
from mailserver.store.sql.bulk import select
from mailserver.store.sql.engine import Connection, Engine, Row, first, with_reserve
from mailserver.store.sql.queue import destinations
from mailserver.values.ids import AgentId

SLICE: Final = 1_000
"""Copies that one turn of the write lock gives back."""

_ADD = "INSERT INTO agent (slot, until_s) VALUES (?, ?) RETURNING agent_id"
_RENEW = "UPDATE agent SET until_s = ? WHERE agent_id = ? AND until_s > 0 RETURNING 1"
_ALL = "SELECT agent_id, slot, until_s FROM agent"
_GIVE_UP = "UPDATE agent SET until_s = 0 WHERE agent_id = ?"
_DELETE = "DELETE FROM agent WHERE agent_id = ?"
# By destination, because there is an index of that, and leases come and go all the time.
_HELD_BY = """
    SELECT message_id, copy_no, agent_id, destination_id, due_at_s FROM queue
    WHERE destination_id IN (SELECT destination_id FROM destination) AND lane = 2
        AND agent_id = ?
    LIMIT ?"""
# Untried, a copy goes back to its turn; tried, it is due when it was: both are now.
_GIVE_BACK = """
    WITH held (message_id, copy_no, agent_id) AS ({rows:integer integer integer})
    UPDATE queue SET lane = CASE WHEN attempt_count = 0 THEN 0 ELSE 1 END, agent_id = NULL
    FROM held WHERE queue.message_id = held.message_id AND queue.copy_no = held.copy_no
        AND queue.agent_id = held.agent_id
    RETURNING 1"""


class SqlAgents:
    def __init__(self, engine: Engine, slots: Slots, *, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._slots = slots
        self._wake = wake
        self._mine: dict[AgentId, int] = {}
        self._seen_s = 0.0
        self._unchanged: dict[int, tuple[float, float]] = {}  # agent -> (until_s, seen first)

    def register_agent(self, *, now_s: float, until_s: float) -> AgentId:
        """First of all, what the dead held goes back."""
        slot = self._slots.take()
        self._seen_s = now_s
        rows = self._engine.read(_ALL)
        self._give_back_all(agent_id for agent_id, held, _ in rows if self._is_dead(held, slot))
        row = with_reserve(self._engine, lambda one: first(one.execute(_ADD, (slot, until_s))))
        if row is None:
            raise StoreUnavailable("no row for a new agent")
        agent_id = AgentId(row[0])
        self._mine[agent_id] = slot
        return agent_id

    def renew_agent(self, agent_id: AgentId, *, until_s: float) -> bool:
        values = (until_s, agent_id)
        row = with_reserve(self._engine, lambda one: first(one.execute(_RENEW, values)))
        if row is None:
            self._leave(agent_id)
        return row is not None

    def take_over(self, *, now_s: float, clock_s: float) -> int:
        self._seen_s = now_s
        rows = self._engine.read(_ALL)
        late = self._late({agent_id: until_s for agent_id, _, until_s in rows}, clock_s)
        return self._give_back_all(
            agent_id for agent_id, slot, _ in rows if agent_id in late or self._is_dead(slot)
        )

    def _is_dead(self, slot: int, own_slot: int | None = None) -> bool:
        """own_slot: ours since a moment ago; whoever has a row with it is dead."""
        return slot == own_slot or self._slots.is_free(slot)

    def _late(self, until_s: dict[int, float], clock_s: float) -> set[int]:
        """Those that did not renew since we first saw them as they are, a lease ago."""
        before, self._unchanged = self._unchanged, {}
        for agent_id, value in until_s.items():
            seen = before.get(agent_id)
            is_same = seen is not None and seen[0] == value
            self._unchanged[agent_id] = seen if seen and is_same else (value, clock_s)
        return {
            agent_id
            for agent_id, (_, first_s) in self._unchanged.items()
            if clock_s - first_s >= LEASE_S
        }

    def _give_back_all(self, gone: Iterable[int]) -> int:
        return sum(self._give_back(AgentId(agent_id)) for agent_id in list(gone))

    def resign_agent(self, agent_id: AgentId) -> None:
        self._give_back(agent_id)
        self._leave(agent_id)

    def _give_back(self, agent_id: AgentId) -> int:
        """In slices, so that no turn is long; the row goes last, so that a crash loses none."""
        with_reserve(self._engine, lambda one: one.execute(_GIVE_UP, (agent_id,)))
        count = 0
        while held := self._engine.read(_HELD_BY, (agent_id, SLICE)):
            count += with_reserve(self._engine, partial(self._give_back_slice, held))
            self._wake()
        with_reserve(self._engine, lambda one: one.execute(_DELETE, (agent_id,)))
        return count

    def _give_back_slice(self, held: list[Row], connection: Connection) -> int:
        """Not what its agent settled since we looked."""
        count = len(select(connection, _GIVE_BACK, [row[:3] for row in held]))
        destinations.lower(connection, self._due(held))
        return count

    def _due(self, held: list[Row]) -> dict[int, float]:
        """A turn may lie ahead, and the copy is due all the same: since we last looked."""
        due: dict[int, float] = {}
        for *_, destination_id, due_at_s in held:
            due[destination_id] = min(due.get(destination_id, self._seen_s), due_at_s)
        return due

    def _leave(self, agent_id: AgentId) -> None:
        slot = self._mine.pop(agent_id, None)
        if slot is not None:
            self._slots.leave(slot)
