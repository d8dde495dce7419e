"""What became of copies, on its way to the disk.

One settlement is under way at a time, and what is decided meanwhile joins the
next.  Few outcomes wait a moment while others are on their way: a commit costs
the same for one and for many.  A settlement that could not be written is written
again: what a remote took must not be offered twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from mailserver.queue.copies import CopyState
from mailserver.store.commit import Submitter
from mailserver.store.ports import Failed, Outcome
from mailserver.store.queueing import CopyOutcome, Relayed, Settled, Settlement
from mailserver.values.ids import AgentId

WRITE_AGAIN_S: Final = 1.0
SETTLE_COPIES: Final = 1000
SETTLE_AT_ONCE: Final = 200
SETTLE_WITHIN_S: Final = 0.03  # a crash in between costs a duplicate, as it does on the wire

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
        expects_more: Callable[[], bool],
    ) -> None:
        """
        told: a settlement that is on disk owes a report.
        settled: gets the count of copies of each settlement that is on disk.
        expects_more: copies are under way whose outcome could join what waits.
        """
        self.counters: Counter[str] = Counter(relayed=0, deferred=0, returned=0, lost=0)
        self._loop = loop
        self._agent_id = agent_id
        self._writer = writer
        self._wall_s = wall_s
        self._told = told
        self._tell_settled = settled
        self._expects_more = expects_more
        self._outcomes: list[CopyOutcome] = []
        self._relayed: list[Relayed] = []
        self._relayed_count = 0  # copies in it: one `Relayed` may be a hundred
        self._is_settling = False
        self._is_planned = False
        self._is_draining = False

    def add(self, outcomes: Iterable[CopyOutcome], relayed: Iterable[Relayed] = ()) -> None:
        """They are written soon after the next `flush`."""
        self._outcomes += outcomes
        for one in relayed:
            self._relayed.append(one)
            self._relayed_count += one.copy_count

    def hurry(self) -> None:
        """What was added is written before anything that is submitted from now on, if it can be."""
        if self._has_outcomes and not self._is_settling:
            self._settle_now()

    def drain(self) -> None:
        """Nothing waits for more from now on."""
        self._is_draining = True

    @property
    def is_done(self) -> bool:
        """Nothing waits, nothing is on its way to the disk."""
        return not (self._has_outcomes or self._is_settling)

    def flush(self) -> None:
        if self._is_settling or not self._has_outcomes:
            return
        is_enough = len(self._outcomes) + self._relayed_count >= SETTLE_AT_ONCE
        if is_enough or self._is_draining or not self._expects_more():
            self._settle_now()
        elif not self._is_planned:
            self._is_planned = True
            self._loop.call_later(SETTLE_WITHIN_S, self._settle_planned)

    @property
    def _has_outcomes(self) -> bool:
        return bool(self._outcomes or self._relayed)

    def _settle_planned(self) -> None:
        self._is_planned = False
        if self._has_outcomes and not self._is_settling:
            self._settle_now()

    def _settle_now(self) -> None:
        self._is_settling = True
        outcomes = tuple(self._outcomes[:SETTLE_COPIES])
        del self._outcomes[:SETTLE_COPIES]
        settlement = Settlement(
            agent_id=self._agent_id,
            outcomes=outcomes,
            at_s=self._wall_s(),
            relayed=tuple(self._take_relayed()),
        )
        self._settle(settlement)

    def _take_relayed(self) -> list[Relayed]:
        """Some hundred copies at most: a turn of the store's lock is short."""
        count = 0
        for number, one in enumerate(self._relayed):
            if number and count + one.copy_count > SETTLE_COPIES:
                taken = self._relayed[:number]
                del self._relayed[:number]
                self._relayed_count -= count
                return taken
            count += one.copy_count
        taken, self._relayed = self._relayed, []
        self._relayed_count = 0
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
