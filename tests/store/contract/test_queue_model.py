"""Whatever the order of acts, no copy is lost, none is in two places, and what is owed is owed.

The model says of each copy where it is; the machine accepts, leases, settles,
dies, acts, tells and reports in any order, and compares after each.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.operators import Act, Deed
from mailserver.store.ports.queue import CopyOutcome, CopyRef, Lane, ReportMade, Settled, Settlement
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted
from mailserver.values.ids import AgentId
from tests.store.letters import NOW_S, accept, letter_to, people
from tests.store.places import ENGINES, PLACES, Place, examples_on
from tests.store.queued import Agent, deferred, outgoing, relayed, returned

HOPS = ("un.fr", "deux.fr")
AGENTS = 2

hops = st.sampled_from(HOPS)
agents = st.integers(0, AGENTS - 1)


@dataclass
class Copy:
    """Where the model knows one copy to be."""

    hop: str
    lane: Lane | None  # None: final
    state: CopyState = CopyState.QUEUED
    due_at_s: float = 0.0
    agent_id: AgentId | None = None
    was_tried: bool = False


class QueueMachine(RuleBasedStateMachine):
    """The queue beside its model."""

    engine = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.place: Place = PLACES[self.engine](self.folder.name + "/store")
        self.place.make()
        self.stores: list[Store] = [self.place.open(keep_history_s=1e12) for _ in range(AGENTS)]
        (self.box,) = people(self.stores[0], 1)
        self.now_s = NOW_S
        self.copies: dict[CopyRef, Copy] = {}
        self.owed: set[tuple[CopyRef, ReportKind]] = set()
        self.report_count = 0
        self.agents = [self._agent(n) for n in range(AGENTS)]

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.leave()
            self.folder.cleanup()

    @rule(
        hop=hops, names=st.integers(1, 4), ahead_s=st.sampled_from([0.0, 50.0]), held=st.booleans()
    )
    def accept(self, hop: str, names: int, ahead_s: float, held: bool) -> None:
        """A message to some people beyond one hop."""
        turn_at_s = self.now_s + ahead_s
        message = outgoing(
            *(f"{n}@{hop}" for n in range(names)),
            hop=hop,
            turn_at_s=turn_at_s,
            at_s=self.now_s,
            held_for="quarantine" if held else "",
        )
        (message_id,) = accept(self.stores[0].writes, message)
        lane = Lane.HELD if held else Lane.FIRST
        for copy_no in range(names):
            self.copies[CopyRef(message_id, copy_no)] = Copy(hop, lane, due_at_s=turn_at_s)

    @rule(who=agents, hop=hops, limit=st.integers(1, 5))
    def lease(self, who: int, hop: str, limit: int) -> None:
        """What is due and nobody has, as many as there are."""
        agent = self._at_now(who)
        due = {ref for ref, copy in self.copies.items() if copy.hop == hop and self._is_due(copy)}
        leased = agent.lease(hop, limit=limit)
        assert set(leased) <= due
        assert len(leased) == min(limit, len(due))
        for ref in leased:
            self.copies[ref].lane = Lane.LEASED
            self.copies[ref].agent_id = agent.agent_id

    @rule(who=agents, data=st.data())
    def settle(self, who: int, data: st.DataObject) -> None:
        """Some of all copies, whoever holds them: only what is his counts."""
        if not self.copies:
            return
        agent = self._at_now(who)
        wanted = data.draw(st.sets(st.sampled_from(sorted(self.copies)), max_size=4))
        outcomes = [self._outcome(ref, data) for ref in sorted(wanted)]
        lost = agent.settle(*outcomes)
        his = [o for o in outcomes if self.copies[o.ref].agent_id == agent.agent_id]
        assert lost == [o.ref for o in outcomes if o not in his]
        for outcome in his:
            self._expect(outcome)

    def _outcome(self, ref: CopyRef, data: st.DataObject) -> CopyOutcome:
        return data.draw(
            st.sampled_from(
                [
                    relayed(ref),
                    returned(ref),
                    deferred(ref, self.now_s + 30),
                    CopyOutcome(ref=ref, state=CopyState.QUEUED),
                    CopyOutcome(ref=ref, state=CopyState.HELD, reason="attendre"),
                ]
            )
        )

    def _expect(self, outcome: CopyOutcome) -> None:
        copy = self.copies[outcome.ref]
        copy.agent_id = None
        copy.was_tried |= outcome.attempt is not None
        if outcome.owes is not None:
            self.owed.add((outcome.ref, outcome.owes))
        if outcome.state.is_final:
            copy.lane, copy.state = None, outcome.state
        elif outcome.state is CopyState.HELD:
            copy.lane = Lane.HELD
        else:
            copy.lane = Lane.WAITING if copy.was_tried else Lane.FIRST
            copy.due_at_s = copy.due_at_s if outcome.due_at_s is None else outcome.due_at_s

    @rule(who=agents)
    def end_of_an_agent(self, who: int) -> None:
        """It is late, and the other one takes over what it held."""
        agent = self.agents[who]
        self.now_s += 61
        survivor = self.agents[1 - who]
        look = self.stores[1 - who].queue.take_over
        assert look(now_s=self.now_s, clock_s=self.now_s - 61) == 0
        assert self.stores[1 - who].queue.renew_agent(survivor.agent_id, until_s=self.now_s + 60)
        held = [copy for copy in self.copies.values() if copy.agent_id == agent.agent_id]
        assert look(now_s=self.now_s, clock_s=self.now_s) == len(held)
        for copy in held:
            copy.agent_id = None
            copy.lane = Lane.WAITING if copy.was_tried else Lane.FIRST
        assert not self.stores[who].queue.renew_agent(agent.agent_id, until_s=self.now_s + 60)
        self.agents[who] = self._agent(who)

    @rule(act=st.sampled_from(list(Act)), hop=hops, data=st.data())
    def act(self, act: Act, hop: str, data: st.DataObject) -> None:
        """A person does something to some copies; what an agent holds is left alone."""
        if not self.copies:
            return
        refs = sorted(data.draw(st.sets(st.sampled_from(sorted(self.copies)), max_size=4)))
        deed = Deed(act=act, by="root", reason="essai", at_s=self.now_s, next_hop="")
        if act is Act.REROUTE:
            deed = replace(deed, next_hop=hop)
        done = self.stores[0].queue.act_on(refs, deed)
        expected = [ref for ref in refs if self._may(act, self.copies[ref])]
        assert done == expected
        for ref in done:
            self._expect_act(ref, deed)

    def _may(self, act: Act, copy: Copy) -> bool:
        if copy.lane in (None, Lane.LEASED):
            return False
        if act in (Act.HOLD, Act.RETRY):
            return copy.lane is not Lane.HELD
        return act is not Act.RELEASE or copy.lane is Lane.HELD

    def _expect_act(self, ref: CopyRef, deed: Deed) -> None:
        copy = self.copies[ref]
        if deed.act is Act.HOLD:
            copy.lane = Lane.HELD
        elif deed.act is Act.RELEASE:
            copy.lane, copy.due_at_s = Lane.FIRST, self.now_s
        elif deed.act is Act.RETURN:
            copy.lane, copy.state = None, CopyState.RETURNED
            self.owed.add((ref, ReportKind.FAILED))
        elif deed.act is Act.CANCEL:
            copy.lane, copy.state = None, CopyState.CANCELLED
        else:
            copy.hop = deed.next_hop or copy.hop
            if copy.lane is Lane.WAITING:
                copy.due_at_s = min(copy.due_at_s, self.now_s)

    @rule(limit=st.integers(1, 3), twice=st.booleans())
    def report(self, limit: int, twice: bool) -> None:
        """Reports are made of what is owed, by one reporter or by two at once."""
        for report in self.stores[0].queue.owed_reports(limit=limit):
            cleared = tuple((line.ref, line.kind) for line in report.copies)
            assert set(cleared) <= self.owed
            made = ReportMade(acceptance=letter_to(self.box), cleared=cleared)
            outcomes = self.stores[0].writes.apply([made] * (1 + twice))
            assert isinstance(outcomes[0], Accepted)
            assert all(isinstance(outcome, Settled) for outcome in outcomes[1:])
            self.owed -= set(cleared)
            self.report_count += 1

    @rule()
    def tell(self) -> None:
        """The timekeeper tells of a delay whatever nobody holds."""
        refs = [r for r, c in self.copies.items() if c.lane in (Lane.FIRST, Lane.WAITING)]
        told = tuple(
            CopyOutcome(ref=ref, state=CopyState.QUEUED, owes=ReportKind.DELAYED) for ref in refs
        )
        (outcome,) = self.stores[0].writes.apply(
            [Settlement(agent_id=None, outcomes=told, at_s=self.now_s)]
        )
        assert outcome == Settled()
        self.owed |= {(ref, ReportKind.DELAYED) for ref in refs}

    @rule()
    def keep_house(self) -> None:
        """Nothing of it changes what the model knows."""
        while self.stores[0].upkeep.reclaim(now_s=self.now_s).message_count:
            continue
        self.stores[0].upkeep.expire_history(now_s=self.now_s)

    @rule(passed_s=st.sampled_from([1.0, 29.0]))
    def wait(self, passed_s: float) -> None:
        """Time goes by, and agents renew."""
        self.now_s += passed_s
        for store, agent in zip(self.stores, self.agents, strict=True):
            assert store.queue.renew_agent(agent.agent_id, until_s=self.now_s + 60)

    @invariant()
    def each_copy_is_in_one_place(self) -> None:
        queued = {
            CopyRef(message_id, copy_no): (hop, Lane(lane), agent_id)
            for message_id, copy_no, hop, lane, agent_id in self.place.rows(
                "SELECT message_id, copy_no, next_hop, lane, agent_id FROM queue"
                " JOIN destination ON destination.destination_id = queue.destination_id"
            )
        }
        assert queued == {
            ref: (copy.hop, copy.lane, copy.agent_id)
            for ref, copy in self.copies.items()
            if copy.lane is not None
        }
        states = {
            CopyRef(message_id, copy_no): CopyState(state)
            for message_id, copy_no, state in self.place.rows(
                "SELECT message_id, copy_no, state FROM copy WHERE mailbox_id IS NULL"
            )
        }
        assert states == {ref: copy.state for ref, copy in self.copies.items()}

    @invariant()
    def owed_reports_are_those_that_were_decided(self) -> None:
        owed = {
            (line.ref, line.kind)
            for report in self.stores[0].queue.owed_reports(limit=1_000)
            for line in report.copies
        }
        assert owed == self.owed
        reports = self.place.rows("SELECT count(*) FROM entry")
        assert reports == [(self.report_count,)]

    @invariant()
    def next_due_is_never_later_than_the_truth(self) -> None:
        known = dict(self.place.rows("SELECT next_hop, next_due_at_s FROM destination"))
        for copy in self.copies.values():
            if copy.lane in (Lane.FIRST, Lane.WAITING):
                due_at_s = self.now_s if copy.lane is Lane.FIRST else copy.due_at_s
                assert known[copy.hop] is not None
                assert known[copy.hop] <= due_at_s

    @invariant()
    def what_is_queued_or_owed_can_be_read(self) -> None:
        needed = {ref for ref, copy in self.copies.items() if copy.lane is not None}
        for ref in needed | {ref for ref, _ in self.owed}:
            message = self.stores[0].queue.open_queued(ref.message_id)
            assert message is not None
            message.close()

    def _is_due(self, copy: Copy) -> bool:
        return copy.lane is Lane.FIRST or (
            copy.lane is Lane.WAITING and copy.due_at_s <= self.now_s
        )

    def _agent(self, who: int) -> Agent:
        return Agent(self.stores[who], now_s=self.now_s)

    def _at_now(self, who: int) -> Agent:
        self.agents[who].now_s = self.now_s
        return self.agents[who]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_whatever_the_order_of_acts_the_queue_is_what_its_model_says(engine: str) -> None:
    machine = type("QueueMachine", (QueueMachine,), {"engine": engine})
    examples = examples_on(engine, settings().max_examples // 3)
    steps = settings(max_examples=examples, stateful_step_count=30)
    run_state_machine_as_test(machine, settings=steps)
