"""What becomes of copies whose senders must hear of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import EXPIRED, OUR_LOSS, ReportKind
from mailserver.queue.schedule import Schedule
from mailserver.store.open import open_store
from mailserver.store.ports.bodies import BodyFault
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.queue import CopyRef, OverdueCopy, Settled
from mailserver.store.ports.writes import Outcome
from mailserver.values.ids import MessageId
from mailserver.values.message import Notify
from smtp_relay.delivery.agent.timekeeper import UNTRIED_AGAIN_S, Timekeeper, decide_overdue
from smtp_relay.delivery.schedule.outcomes import held, lost
from tests.smtp_relay.inbound.house import make_settings
from tests.store.queued import HOP, Agent, deferred, outgoing

HOUR_S = 3600.0
SCHEDULE = Schedule(
    retry_after_s=(300.0,), expire_after_s=120 * HOUR_S, notice_after_s=(2 * HOUR_S, 24 * HOUR_S)
)
COPY = OverdueCopy(
    ref=CopyRef(MessageId(1), 0),
    recipient="a@b.test",
    reverse_path="jean@ac-exemple.fr",
    notify=Notify.UNSAID,
    accepted_at_s=0.0,
    tell_at_s=2 * HOUR_S,
    next_hop="b.test",
    last_words="451 later",
    last_status="4.3.0",
)


def test_a_delay_is_told_and_the_next_one_is_planned() -> None:
    outcome = decide_overdue(COPY, SCHEDULE, 2 * HOUR_S + 1)
    assert (outcome.state, outcome.owes) == (CopyState.QUEUED, ReportKind.DELAYED)
    assert outcome.tell_at_s == 24 * HOUR_S
    assert outcome.due_at_s is None


def test_who_asked_for_no_delay_notice_gets_none() -> None:
    copy = replace(COPY, notify=Notify.FAILURE)
    assert decide_overdue(copy, SCHEDULE, 2 * HOUR_S + 1).owes is None


def test_after_the_last_notice_only_the_expiry_is_left() -> None:
    assert decide_overdue(COPY, SCHEDULE, 25 * HOUR_S).tell_at_s == 120 * HOUR_S


def test_what_is_too_old_is_returned_with_the_last_words() -> None:
    outcome = decide_overdue(COPY, SCHEDULE, 120 * HOUR_S)
    assert (outcome.state, outcome.owes) == (CopyState.RETURNED, ReportKind.FAILED)
    assert outcome.attempt is not None
    assert outcome.attempt.status == EXPIRED
    assert "451 later" in outcome.attempt.words


def test_what_nobody_has_tried_yet_is_not_returned_for_as_long_again() -> None:
    untried = replace(COPY, last_words="", last_status="", may_end=False)
    outcome = decide_overdue(untried, SCHEDULE, 130 * HOUR_S)
    assert (outcome.state, outcome.owes, outcome.attempt) == (CopyState.QUEUED, None, None)
    assert outcome.tell_at_s == 130 * HOUR_S + UNTRIED_AGAIN_S
    assert decide_overdue(untried, SCHEDULE, 240 * HOUR_S).state is CopyState.RETURNED


def test_after_days_without_an_agent_each_copy_is_tried_before_it_is_returned(
    tmp_path: Path,
) -> None:
    store = open_store(make_settings(tmp_path, {}))
    at_s, now_s = 1_790_000_000.0, 1_790_000_000.0 + 130 * HOUR_S
    store.writes.apply([outgoing(at_s=at_s, tell_at_s=at_s + 120 * HOUR_S)])
    store.writes.apply([outgoing(hop="off.test", at_s=at_s, tell_at_s=at_s + 120 * HOUR_S)])
    store.queue.suspend("off.test", until_s=None, now_s=at_s)
    keeper = Timekeeper(
        store.queue,
        SCHEDULE,
        submit=lambda write, done: done(store.writes.apply([write])[0]),
        told=lambda _outcome: None,
        wall_s=lambda: now_s,
        ends_s=lambda: now_s,
    )
    assert keeper.look() == 2
    (waiting,) = store.queue.list_queue(QueueFilter(), after=None, limit=9)
    assert waiting.next_hop == HOP  # the other one is returned: somebody has suspended its hop
    agent = Agent(store, now_s=now_s)
    agent.settle(deferred(agent.lease()[0], now_s + 60))
    now_s += UNTRIED_AGAIN_S
    assert keeper.look() == 1
    assert store.queue.count_queue(QueueFilter()) == 0
    store.close()


def test_a_null_sender_is_told_nothing() -> None:
    copy = replace(COPY, reverse_path="")
    assert decide_overdue(copy, SCHEDULE, 2 * HOUR_S).owes is None
    assert decide_overdue(copy, SCHEDULE, 120 * HOUR_S).owes is None


def test_over_a_real_store_each_is_told_once_and_then_returned(tmp_path: Path) -> None:
    store = open_store(make_settings(tmp_path, {}))
    clock = [1_790_000_000.0]
    store.writes.apply([outgoing(at_s=clock[0], tell_at_s=clock[0] + 2 * HOUR_S)])
    outcomes: list[Outcome] = []
    keeper = Timekeeper(
        store.queue,
        SCHEDULE,
        submit=lambda write, done: done(store.writes.apply([write])[0]),
        told=outcomes.append,
        wall_s=lambda: clock[0],
        ends_s=lambda: clock[0],
    )
    assert keeper.look() == 0
    clock[0] += 2 * HOUR_S
    assert (keeper.look(), keeper.look()) == (1, 0)
    agent = Agent(store, now_s=clock[0])
    agent.settle(deferred(agent.lease()[0], clock[0]))
    clock[0] += 118 * HOUR_S
    assert keeper.look() == 1
    assert outcomes == [Settled(), Settled()]
    assert store.queue.count_queue(QueueFilter()) == 0
    kinds = [owed.kind for owed in store.queue.owed_reports(limit=10)]
    assert sorted(kinds) == [ReportKind.FAILED, ReportKind.DELAYED]
    store.close()


def test_a_clock_that_jumped_ahead_returns_nothing_and_tells_nobody(tmp_path: Path) -> None:
    store = open_store(make_settings(tmp_path, {}))
    at_s = 1_790_000_000.0
    store.writes.apply([outgoing(at_s=at_s, tell_at_s=at_s + 2 * HOUR_S)])
    keeper = Timekeeper(
        store.queue,
        SCHEDULE,
        submit=lambda write, done: done(store.writes.apply([write])[0]),
        told=lambda _outcome: None,
        wall_s=lambda: at_s + 63e6,
        ends_s=lambda: at_s + HOUR_S,
    )
    assert keeper.look() == 0
    store.close()


def test_a_copy_that_our_store_has_lost_stays_held_while_its_sender_hears() -> None:
    held = replace(COPY, is_held=True)
    outcome = decide_overdue(held, SCHEDULE, 2 * HOUR_S)
    assert (outcome.state, outcome.owes, outcome.tells) == (
        CopyState.HELD,
        ReportKind.DELAYED,
        True,
    )
    assert outcome.tell_at_s == 24 * HOUR_S
    ended = decide_overdue(held, SCHEDULE, 120 * HOUR_S)
    assert (ended.state, ended.owes) == (CopyState.RETURNED, ReportKind.FAILED)


def test_what_is_lost_here_is_told_and_what_a_person_holds_is_not(tmp_path: Path) -> None:
    store = open_store(make_settings(tmp_path, {}))
    at_s = 1_790_000_000.0
    now_s = at_s
    for _ in range(2):
        store.writes.apply([outgoing(at_s=at_s, tell_at_s=at_s + 2 * HOUR_S)])
    agent = Agent(store, now_s=at_s)
    gone, kept = agent.lease_all().copies
    fault = BodyFault(
        message_id=gone.ref.message_id, name="x" * 32, why="is not there", is_lost=True
    )
    agent.settle(*lost([gone], fault, at_s), *held([kept], "held by somebody"))
    keeper = Timekeeper(
        store.queue,
        SCHEDULE,
        submit=lambda write, done: done(store.writes.apply([write])[0]),
        told=lambda _outcome: None,
        wall_s=lambda: now_s,
        ends_s=lambda: now_s,
    )
    now_s = at_s + 2 * HOUR_S + 1
    assert keeper.look() == 1
    (report,) = store.queue.owed_reports(limit=9)
    assert [copy.ref for copy in report.copies] == [gone.ref]
    assert report.kind is ReportKind.DELAYED
    reasons = {
        one.ref: one.reason for one in store.queue.list_queue(QueueFilter(), after=None, limit=9)
    }
    assert "put the file back" in reasons[gone.ref]
    assert reasons[kept.ref] == "held by somebody"
    now_s = at_s + 121 * HOUR_S
    assert keeper.look() == 1
    assert [one.ref for one in store.queue.list_queue(QueueFilter(), after=None, limit=9)] == [
        kept.ref
    ]
    failed = store.queue.owed_reports(limit=9)[-1]
    assert failed.kind is ReportKind.FAILED
    assert failed.copies[0].before is not None
    assert failed.copies[0].before.phase == OUR_LOSS
    store.close()
