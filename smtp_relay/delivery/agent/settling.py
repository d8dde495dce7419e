"""What became of copies, on its way to the disk.

One settlement is under way at a time, and what is decided meanwhile joins the
next: a commit costs nearly the same for one and for many.  None waits for more,
because a crash before it is written sends a copy again (RFC 1047).  A settlement
that could not be written is written again: what a remote took must not be offered
twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from mailserver.queue.copies import CopyState
from mailserver.store.commit import Submitter
from mailserver.store.ports.queue import CopyOutcome, Relayed, Settled, Settlement
from mailserver.store.ports.writes import Failed, Outcome
from mailserver.values.ids import AgentId

WRITE_AGAIN_S: Final = 1.0
SETTLE_COPIES: Final = 1000

_COUNTED = {
    CopyState.RELAYED: "relayed",
    CopyState.RETURNED: "returned",
}


class Settler:
    """Of one agent, on its loop.

    counters: relayed, deferred, returned; lost: not ours any more when it was written.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agent_id: AgentId,
        writer: Submitter,
        *,
        wall_s: Callable[[], float],
        told: Callable[[], None],
        settled: Callable[[int], None],
    ) -> None:
        """
        told: a settlement that is on disk owes a report.
        settled: gets the count of copies of each settlement that is on disk.
        """
        self.counters: Counter[str] = Counter(relayed=0, deferred=0, returned=0, lost=0)
        self._loop = loop
        self._agent_id = agent_id
        self._writer = writer
        self._wall_s = wall_s
        self._told = told
        self._tell_settled = settled
        self._outcomes: list[CopyOutcome] = []
        self._relayed: list[Relayed] = []
        self._is_settling = False

    def add(self, outcomes: Iterable[CopyOutcome], relayed: Iterable[Relayed] = ()) -> None:
        """They are written from the next `flush` on."""
        self._outcomes += outcomes
        self._relayed += relayed

    @property
    def is_done(self) -> bool:
        """Nothing waits, nothing is on its way to the disk."""
        return not (self._outcomes or self._relayed or self._is_settling)

    def flush(self) -> None:
        """Write what was added, before anything that is submitted from now on, if it can be."""
        if self._is_settling or self.is_done:
            return
        self._is_settling = True
        outcomes = tuple(self._outcomes[:SETTLE_COPIES])
        del self._outcomes[:SETTLE_COPIES]
        settlement = Settlement(
            agent_id=self._agent_id,
            outcomes=outcomes,
            at_s=self._wall_s(),
            relayed=tuple(self._take_relayed(len(outcomes))),
        )
        self._settle(settlement)

    def _take_relayed(self, count: int) -> list[Relayed]:
        """With so many others SETTLE_COPIES at most, so that a turn of the store is short.

        What one answer took goes whole, alone if it is more.
        """
        taken_count = 0
        for one in self._relayed:
            count += one.copy_count
            if count > SETTLE_COPIES and count > one.copy_count:
                break
            taken_count += 1
        taken = self._relayed[:taken_count]
        del self._relayed[:taken_count]
        return taken

    def _settle(self, settlement: Settlement) -> None:
        self._writer.submit(settlement, lambda outcome: self._settled(settlement, outcome))

    def _settled(self, settlement: Settlement, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            self._loop.call_later(WRITE_AGAIN_S, self._settle, settlement)
            return
        self._is_settling = False
        self._count(settlement, outcome)
        self._tell_settled(settlement.copy_count)
        self.flush()

    def _count(self, settlement: Settlement, outcome: Outcome) -> None:
        lost = set(outcome.lost) if isinstance(outcome, Settled) else set()
        kept = [one for one in settlement.outcomes if one.ref not in lost]
        owes = False
        for one in kept:
            if one.attempt is not None:
                self.counters[_COUNTED.get(one.state, "deferred")] += 1
                owes = owes or one.owes is not None
        self.counters["lost"] += len(lost)
        self.counters["relayed"] += settlement.copy_count - len(kept) - len(lost)
        if owes:
            self._told()
