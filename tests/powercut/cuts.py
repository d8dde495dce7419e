"""At each promise that left the house, cut the power and ask the store.

A promise counts from the moment when the send that carries its first octet is
entered: the peer cannot have seen it earlier.  The power is also cut while the
delivery agent talks to servers elsewhere, and when the log has just been synced:
with nothing unsynced kept, each sync makes one more state that a crash can leave.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mailserver.queue.copies import CopyState
from tests.crash.contents import Unreadable, read_stored
from tests.crash.ledger import Ledger, Letter, Quit
from tests.crash.relayed import Relayed
from tests.crash.transit import Stored, again_count, judge_transit
from tests.crash.verdict import View, judge
from tests.powercut.disk import Disk, Luck, NoLuck, SomeLuck
from tests.powercut.rebuilt import RebuiltFolder
from tests.powercut.replay import Replay
from tests.powercut.trace import Call

LUCKY_PART = 0.3
"""Of the cuts that belong to no promise: part of what was unsynced survives."""
_LOG = "mail.db-wal"
MAX_BREACHES = 20  # told; one is enough to fail


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPlan:
    """
    senders: whose mailboxes hold reports only.
    sent_stride: of so many sends to the ports of servers elsewhere, one; 0: none.
    synced_stride: of so many syncs of the log, one; 0: none.
    cut_count: promises at which the power is cut, spread over the run; 0: at each.
    lucky_count: further cuts, at some of them, where part of what was unsynced survives.
    """

    boxes: tuple[str, ...]
    senders: tuple[str, ...]
    elsewhere_ports: frozenset[str]
    sent_stride: int
    synced_stride: int
    cut_count: int
    lucky_count: int
    seed: int
    stop_at_breach: bool = False


@dataclass(slots=True)
class Findings:
    deposit_count: int = 0  # promises seen in the trace
    removal_count: int = 0
    cut_count: int = 0
    lucky_count: int = 0
    database_sync_count: int = 0
    filed_count: int = 0
    unlink_count: int = 0
    sent_cut_count: int = 0
    synced_cut_count: int = 0
    queued_count: int = 0  # copies that a cut found in the queue, over all cuts
    again_count: int = 0  # of these, those that a server elsewhere had: sent again
    owed_count: int = 0  # reports that a cut found owed, over all cuts
    relayed_count: int = 0  # copies that the last cut found relayed
    returned_count: int = 0
    told_count: int = 0  # reports found in mailboxes by the last cut
    breaches: list[str] = field(default_factory=list)
    unseen_count: int = 0  # promises in the journals whose send the trace does not show


@dataclass(frozen=True, slots=True)
class Known:
    """What load and servers elsewhere wrote down, and what is asked."""

    ledger: Ledger
    relayed: Relayed
    plan: CutPlan


class OneOfEach:
    """Of each `stride` moments one, at random: a trace of that length has its share for certain."""

    def __init__(self, stride: int, chance: random.Random) -> None:
        self._stride = stride
        self._chance = chance
        self._seen_count = 0
        self._chosen = 0

    def is_next(self) -> bool:
        if not self._stride:
            return False
        place = self._seen_count % self._stride
        if place == 0:
            self._chosen = self._chance.randrange(self._stride)
        self._seen_count += 1
        return place == self._chosen


class Cutter:
    """One pass over the trace."""

    def __init__(self, known: Known, disk: Disk, rebuilt: RebuiltFolder) -> None:
        self._ledger = known.ledger
        self._relayed = known.relayed
        self._plan = known.plan
        self._disk = disk
        self._rebuilt = rebuilt
        self._chance = random.Random(known.plan.seed)
        self._sent = OneOfEach(known.plan.sent_stride, self._chance)
        self._synced = OneOfEach(known.plan.synced_stride, self._chance)
        self._waiting = _promises(known.ledger)
        self._promised: set[str] = set()
        self._done_quits: set[int] = set()
        self._cut_at, self._lucky_at = self._choose()
        self._seen_count = 0
        self.findings = Findings()

    def run(self, calls: Iterable[Call], folder: Path) -> Findings:
        replay = Replay(self._disk, folder, self._on_send, self._on_sync)
        last: Call | None = None
        for last in calls:
            replay.take(last)
            if self._plan.stop_at_breach and self.findings.breaches:
                return self.findings
        if last is not None:
            self._cut(last, NoLuck(), "at the end")
        self.findings.unseen_count = sum(map(len, self._waiting.values()))
        self.findings.database_sync_count = replay.database_sync_count
        self.findings.filed_count = replay.filed_count
        self.findings.unlink_count = replay.unlink_count
        return self.findings

    def _choose(self) -> tuple[set[int], set[int]]:
        total = sum(map(len, self._waiting.values()))
        wanted = self._plan.cut_count or total
        cuts = {total - 1, *self._chance.sample(range(total), min(total, wanted))}
        lucky = self._chance.sample(sorted(cuts), min(len(cuts), self._plan.lucky_count))
        return cuts, set(lucky)

    def _on_send(self, call: Call, connection: str, end: int) -> None:
        if connection.rpartition("-")[2] in self._plan.elsewhere_ports:
            if self._sent.is_next():
                self.findings.sent_cut_count += 1
                self._cut_between_promises(call, "in delivery")
            return
        waiting = self._waiting.get(connection)
        is_due = False
        while waiting and waiting[0][0] < end:
            self._keep(waiting.pop(0)[1])
            is_due |= self._seen_count in self._cut_at
            is_lucky = self._seen_count in self._lucky_at
            self._seen_count += 1
            if is_lucky:
                self.findings.lucky_count += 1
                self._cut(call, SomeLuck(self._chance), "some luck")
        if is_due:
            self.findings.cut_count += 1
            self._cut(call, NoLuck(), "no luck")

    def _on_sync(self, call: Call, path: str) -> None:
        if path == _LOG and self._synced.is_next():
            self.findings.synced_cut_count += 1
            self._cut_between_promises(call, "behind a sync")

    def _cut_between_promises(self, call: Call, which: str) -> None:
        is_lucky = self._chance.random() < LUCKY_PART
        self._cut(call, SomeLuck(self._chance) if is_lucky else NoLuck(), which)

    def _keep(self, promise: Letter | Quit) -> None:
        match promise:
            case Letter():
                self._promised.add(promise.letter_id)
                self.findings.deposit_count += 1
            case Quit():
                self._done_quits.add(id(promise))
                self.findings.removal_count += 1

    def _cut(self, call: Call, luck: Luck, which: str) -> None:
        if len(self.findings.breaches) >= MAX_BREACHES:
            return
        self._rebuilt.bring(self._disk, luck)
        try:
            stored = read_stored(self._rebuilt.path, self._plan.boxes, self._plan.senders)
            breaches = self._judge(stored, call.at_s)
        except Unreadable as error:
            breaches = [str(error)]
        where = f"promise {self._seen_count}, {which}"
        self.findings.breaches += [f"{where}: {breach}" for breach in breaches]

    def _judge(self, stored: Stored, at_s: float) -> list[str]:
        view = self._view(at_s)
        found = self.findings
        found.queued_count += sum(copy.can_go_on for copy in stored.copies)
        found.again_count += again_count(stored, self._relayed, until_s=at_s)
        found.owed_count += sum(len(copy.owes) for copy in stored.copies)
        found.relayed_count = sum(copy.state is CopyState.RELAYED for copy in stored.copies)
        found.returned_count = sum(
            copy.state is CopyState.RETURNED and bool(copy.letter_id) for copy in stored.copies
        )
        found.told_count = sum(map(len, stored.reports.values()))
        return [
            *judge(self._ledger, view, stored.places()),
            *judge_transit(self._ledger, view, stored, self._relayed, until_s=at_s),
        ]

    def _view(self, at_s: float) -> View:
        letters, quits = self._ledger.letters.values(), self._ledger.quits
        return View(
            promised=frozenset(self._promised),
            doubtful=frozenset(
                letter.letter_id
                for letter in letters
                if letter.dotted_at_s is not None
                and letter.dotted_at_s <= at_s
                and not letter.is_refused
                and letter.letter_id not in self._promised
            ),
            removed=frozenset(
                r for q in quits if id(q) in self._done_quits for r in self._ledger.removals(q)
            ),
            doubtful_removals=tuple(
                self._ledger.removals(q)
                for q in quits
                if id(q) not in self._done_quits and q.asked_at_s <= at_s and not q.is_void
            ),
        )


def _promises(ledger: Ledger) -> dict[str, list[tuple[int, Letter | Quit]]]:
    """connection -> (offset, promise), in the order of the stream."""
    found: dict[str, list[tuple[int, Letter | Quit]]] = defaultdict(list)
    made: list[Letter | Quit] = [*ledger.letters.values(), *ledger.quits]
    for promise in made:
        if promise.answer is not None:
            found[promise.answer.connection].append((promise.answer.offset, promise))
    for promises in found.values():
        promises.sort(key=lambda pair: pair[0])
    return dict(found)
