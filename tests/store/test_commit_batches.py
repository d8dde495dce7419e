"""The group commit: what a batch counts, how it ends, and what is said of a full disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from mailserver.queue.reports import ReportKind
from mailserver.store import commit
from mailserver.store.commit import Settled, deliver_by
from mailserver.store.ports.errors import StoreFull
from mailserver.store.ports.lists import DONE, START, AddCopies, BeginPost, HoldPost
from mailserver.store.ports.queue import CopyRef, HopNote, Lease, ReportMade, Settlement
from mailserver.store.ports.writes import Accepted, Failed, Outcome, Write
from mailserver.values.ids import AgentId, DestinationId, ListId, MailboxId, MessageId
from tests.store.letters import NOW_S, letter_to, removal
from tests.store.queued import relayed
from tests.store.test_commit import Door, Turns

BOX = MailboxId(1)
REF = CopyRef(MessageId(1), 0)
HALF = commit.BATCH_ROWS // 2


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def door(turns: Turns) -> Door:
    return Door(turns)


def sizes_of(door: Door, turns: Turns, writes: Sequence[Write]) -> list[int]:
    """Of the batches that these make, when all of them wait."""
    for number, write in enumerate(writes):
        door.submit(number, write)
    door.committer.start()
    assert len(door.finish()) == len(writes)
    return [len(batch) for batch in turns.batches]


def lease(limit: int) -> Lease:
    return Lease(agent_id=AgentId(1), destination_id=DestinationId(1), limit=limit, now_s=NOW_S)


def add(count: int) -> AddCopies:
    copies = letter_to(BOX).copies * count
    return AddCopies(source=REF, copies=copies, reader_count=count, was=START, now=DONE, at_s=NOW_S)


def settlement(count: int) -> Settlement:
    return Settlement(agent_id=None, outcomes=(relayed(REF),) * count, at_s=NOW_S)


def report(count: int) -> ReportMade:
    return ReportMade(acceptance=None, cleared=((REF, ReportKind.FAILED),) * count)


@pytest.mark.parametrize(
    "make", [lease, add, settlement, report, lambda count: removal(BOX, range(count))]
)
def test_each_kind_of_write_counts_what_it_holds(
    turns: Turns, door: Door, make: Callable[[int], Write]
) -> None:
    """No turn is longer than some 20 ms, whoever fills it."""
    assert sizes_of(door, turns, [make(HALF) for _ in range(5)]) == [2, 2, 1]


@pytest.mark.parametrize("rows", [commit.BATCH_ROWS - 1, commit.BATCH_ROWS])
def test_a_batch_that_is_not_full_takes_one_more(turns: Turns, door: Door, rows: int) -> None:
    few = [lease(rows), lease(1)]
    assert sizes_of(door, turns, few) == ([2] if rows < commit.BATCH_ROWS else [1, 1])


def test_what_holds_one_row_counts_as_one(turns: Turns, door: Door) -> None:
    note = HopNote(
        destination_id=DestinationId(1), not_before_s=0, failure_count=0, error="", at_s=NOW_S
    )
    begin = BeginPost(source=REF, acceptance=letter_to(BOX))
    hold = HoldPost(source=REF, list_id=ListId(1), token="", notes=(), at_s=NOW_S)
    rest = lease(commit.BATCH_ROWS - 3)
    assert sizes_of(door, turns, [rest, note, begin, hold, note]) == [4, 1]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda letter: letter,
        lambda letter: ReportMade(acceptance=letter, cleared=()),
        lambda letter: BeginPost(source=REF, acceptance=letter),
    ],
)
def test_octets_count_wherever_a_body_stands(
    turns: Turns, door: Door, wrap: Callable[[Write], Write]
) -> None:
    large = letter_to(BOX, body=bytes(commit.BATCH_OCTETS // 2))
    assert sizes_of(door, turns, [wrap(large) for _ in range(3)]) == [2, 1]


def test_a_batch_without_any_octets_is_bounded_by_nothing_but_rows(
    turns: Turns, door: Door
) -> None:
    assert sizes_of(door, turns, [lease(1), report(1), settlement(1), lease(1)]) == [4]


def test_a_stop_that_comes_while_others_wait_ends_the_thread_after_them(
    turns: Turns, door: Door
) -> None:
    turns.may_begin.clear()
    door.committer.start()
    door.submit(0, letter_to(BOX))
    assert turns.waiting.wait(30)
    door.submit(1, letter_to(BOX))
    ended = threading.Event()
    join = door.committer._thread.join
    came = threading.Event()

    def wait() -> None:  # stands where `stop` has said it
        came.set()
        join()
        ended.set()

    door.committer._thread.join = wait  # type: ignore[method-assign,assignment]
    stopping = threading.Thread(target=door.committer.stop)
    stopping.start()
    assert came.wait(30)
    turns.may_begin.set()
    assert ended.wait(30)
    stopping.join(30)
    assert [len(batch) for batch in turns.batches] == [2]


def test_outcomes_are_called_in_the_loop_in_one_hop_and_in_order() -> None:
    hops: list[tuple[Callable[[Settled], None], Settled]] = []
    deliver = deliver_by(lambda call, batch: hops.append((call, batch)))
    heard: list[Outcome] = []
    batch: Settled = [(heard.append, Accepted(MessageId(n))) for n in range(3)]
    deliver(batch)
    assert heard == []
    ((call, handed),) = hops
    call(handed)
    assert heard == [Accepted(MessageId(n)) for n in range(3)]


def test_a_loop_that_has_ended_hears_nothing_and_breaks_nothing() -> None:
    def closed(_call: object, _batch: object) -> None:
        raise RuntimeError("Event loop is closed")

    deliver_by(closed)([])


@dataclass
class Said:
    """In place of a log."""

    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def error(self, event: str, **facts: object) -> None:
        self.lines.append(("error", event, facts))

    def warning(self, event: str, **facts: object) -> None:
        self.lines.append(("warning", event, facts))


def test_a_full_disk_is_said_once_and_a_bad_write_each_time(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(commit, "get_log", lambda _name: said)
    clock = iter([10.0, 11.0, 12.0, 80.0])
    monkeypatch.setattr(commit, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    answers = [Failed(StoreFull("no room"))] * 4 + [Failed(ValueError("bad"))] * 2
    remaining = iter(answers)
    turns.answer = lambda _write: next(remaining)
    door = Door(turns)
    for number in range(len(answers)):
        door.submit(number, letter_to(BOX))
    door.committer.start()
    assert door.finish() == answers
    assert not door.broken.is_set()  # full is not broken
    told = [(level, facts.get("also")) for level, _, facts in said.lines]
    assert told == [("warning", 0), ("warning", 2), ("error", None), ("error", None)]
