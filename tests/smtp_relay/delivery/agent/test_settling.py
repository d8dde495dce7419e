"""When outcomes go to the disk: at once, and what is decided meanwhile together behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.commit import Done, Submitter
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.queue import Attempt, CopyOutcome, CopyRef, Relayed, Settled, Settlement
from mailserver.store.ports.writes import Failed, Write
from mailserver.values.ids import AgentId, MessageId
from smtp_relay.delivery.agent.leases import SETTLE_COPIES, Settler

AGENT = AgentId(1)


class Clockwork:
    """The loop's timers, by hand."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def call_later(self, _delay_s: float, call: Callable[..., object], *arguments: object) -> None:
        self.due.append(lambda: call(*arguments))

    def ring(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


class Desk:
    """A writer whose answers the test gives."""

    def __init__(self) -> None:
        self.clock = Clockwork()
        self.waiting: list[tuple[Settlement, Done]] = []
        self.on_disk: list[int] = []
        self.told = 0
        self.settler = Settler(
            cast("asyncio.AbstractEventLoop", self.clock),
            AGENT,
            cast("Submitter", self),
            wall_s=lambda: 1.0,
            told=self.tell,
            settled=self.on_disk.append,
        )

    def tell(self) -> None:
        self.told += 1

    def submit(self, write: Write, done: Done) -> None:
        assert isinstance(write, Settlement)
        self.waiting.append((write, done))

    def answer(self) -> Settlement:
        settlement, done = self.waiting.pop(0)
        done(Settled(()))
        return settlement

    def relay(self, count: int = 1) -> None:
        self.settler.add([], [relayed(number) for number in range(count)])
        self.settler.flush()


def relayed(message_id: int, *, copies: int = 1) -> Relayed:
    attempt = Attempt(at_s=1.0, status="2.0.0", words="250 ok")
    return Relayed(MessageId(message_id), first_no=0, last_no=copies - 1, attempt=attempt)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_outcome_is_written_at_once(desk: Desk) -> None:
    """A crash before it is written costs a duplicate."""
    desk.relay()
    assert desk.answer().copy_count == 1
    assert desk.settler.is_done


def test_what_is_decided_meanwhile_is_written_as_soon_as_the_other_is_on_disk(desk: Desk) -> None:
    for _ in range(3):
        desk.relay()
    assert [settlement.copy_count for settlement, _ in desk.waiting] == [1]
    assert desk.answer().copy_count == 1
    assert desk.answer().copy_count == 2
    assert desk.settler.is_done
    assert desk.on_disk == [1, 2]


def test_very_many_are_written_in_parts(desk: Desk) -> None:
    """So that no turn of the store's lock is long."""
    desk.settler.add([], [relayed(number, copies=SETTLE_COPIES // 2) for number in range(3)])
    desk.settler.flush()
    assert desk.answer().copy_count == SETTLE_COPIES
    assert desk.answer().copy_count == SETTLE_COPIES // 2
    assert desk.settler.is_done


def test_what_is_relayed_and_what_is_not_share_one_bound(desk: Desk) -> None:
    ref = CopyRef(MessageId(9), 0)
    deferral = CopyOutcome(ref=ref, state=CopyState.QUEUED, due_at_s=5.0)
    desk.settler.add([deferral], [relayed(1, copies=SETTLE_COPIES)])
    desk.settler.flush()
    assert [desk.answer().copy_count for _ in range(2)] == [1, SETTLE_COPIES]


def test_what_one_answer_took_goes_whole_however_many(desk: Desk) -> None:
    desk.settler.add([], [relayed(1, copies=SETTLE_COPIES + 1), relayed(2)])
    desk.settler.flush()
    assert [desk.answer().copy_count for _ in range(2)] == [SETTLE_COPIES + 1, 1]


def test_what_could_not_be_written_is_written_again(desk: Desk) -> None:
    desk.relay()
    settlement, done = desk.waiting.pop()
    done(Failed(StoreUnavailable("full")))
    assert desk.waiting == []
    assert desk.on_disk == []
    desk.clock.ring()
    assert desk.answer() == settlement
    assert desk.settler.counters["relayed"] == 1
    assert desk.on_disk == [1]


def outcome(
    number: int,
    state: CopyState = CopyState.QUEUED,
    *,
    is_tried: bool = True,
    owes: ReportKind | None = None,
) -> CopyOutcome:
    attempt = Attempt(at_s=1.0, status="4.4.1", words="no") if is_tried else None
    return CopyOutcome(ref=CopyRef(MessageId(number), 0), state=state, attempt=attempt, owes=owes)


def settle(desk: Desk, *outcomes: CopyOutcome, lost: tuple[int, ...] = ()) -> None:
    desk.settler.add(outcomes)
    desk.settler.flush()
    _, done = desk.waiting.pop()
    done(Settled(tuple(CopyRef(MessageId(number), 0) for number in lost)))


@pytest.mark.parametrize(
    ("one", "lost", "told"),
    [
        (outcome(1, owes=ReportKind.DELAYED), (), 1),
        (outcome(1, CopyState.RETURNED, owes=ReportKind.FAILED), (), 1),
        (outcome(1), (), 0),
        (outcome(1, CopyState.RETURNED), (), 0),  # it asked for none
        (outcome(1, CopyState.RETURNED, owes=ReportKind.FAILED), (1,), 0),  # somebody else's now
    ],
)
def test_a_reporter_is_woken_once_a_report_is_owed_on_disk(
    desk: Desk, one: CopyOutcome, lost: tuple[int, ...], told: int
) -> None:
    settle(desk, one, lost=lost)
    assert desk.told == told


def test_one_report_among_many_outcomes_is_told(desk: Desk) -> None:
    settle(desk, outcome(1), outcome(2, owes=ReportKind.DELAYED), outcome(3))
    assert desk.told == 1


def test_nothing_is_told_before_it_is_on_disk(desk: Desk) -> None:
    desk.settler.add([outcome(1, CopyState.RETURNED, owes=ReportKind.FAILED)])
    desk.settler.flush()
    _, done = desk.waiting.pop()
    done(Failed(StoreUnavailable("full")))
    assert (desk.told, desk.on_disk) == (0, [])
    assert not desk.settler.is_done
    desk.clock.ring()
    desk.answer()
    assert (desk.told, desk.on_disk) == (1, [1])
    assert desk.settler.is_done


def test_each_copy_is_counted_once_as_what_became_of_it(desk: Desk) -> None:
    desk.settler.add([], [relayed(9, copies=3)])
    settle(
        desk,
        outcome(1, CopyState.RELAYED),
        outcome(2, CopyState.RETURNED),
        outcome(3, CopyState.QUEUED),
        outcome(4, CopyState.HELD),
        outcome(5, is_tried=False),  # given back: no host has seen it
        outcome(6, CopyState.RETURNED),
        lost=(6,),
    )
    assert desk.settler.counters == {"relayed": 4, "deferred": 2, "returned": 1, "lost": 1}


@pytest.mark.parametrize("others", [0, 1])
def test_what_exactly_fills_a_settlement_goes_in_one(desk: Desk, others: int) -> None:
    desk.settler.add(
        [outcome(number) for number in range(SETTLE_COPIES - 2)],
        [relayed(5000, copies=2), *(relayed(6000) for _ in range(others))],
    )
    desk.settler.flush()
    assert desk.answer().copy_count == SETTLE_COPIES
    if others:
        assert desk.answer().copy_count == 1
    assert desk.settler.is_done


def test_so_many_others_go_in_parts_and_in_their_order(desk: Desk) -> None:
    desk.settler.add([outcome(number) for number in range(SETTLE_COPIES + 3)])
    desk.settler.flush()
    first, second = desk.answer(), desk.answer()
    assert (len(first.outcomes), len(second.outcomes)) == (SETTLE_COPIES, 3)
    numbers = [one.ref.message_id for one in first.outcomes + second.outcomes]
    assert numbers == list(range(SETTLE_COPIES + 3))
