"""The group commit: every write has one outcome, whatever the store does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mailserver.store import commit
from mailserver.store.commit import Committer, Settled
from mailserver.store.ports.errors import StoreBroken
from mailserver.store.ports.writes import Accepted, Failed, Outcome, Removed, Write
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import AcceptId, MailboxId, MessageId
from tests.store.letters import letter_to, people, removal, uids_of

BOX = MailboxId(1)


class Turns:
    """A `Writes` whose turns a test holds up; it keeps the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[list[Write]] = []
        self.may_begin = threading.Event()
        self.may_begin.set()
        self.waiting = threading.Event()
        self.answer: Callable[[Write], Outcome] = lambda _write: Accepted(MessageId(1))

    def apply(self, batch: Sequence[Write]) -> list[Outcome]:
        return self.apply_waiting(lambda: batch)

    def apply_waiting(self, take: Callable[[], Sequence[Write]]) -> list[Outcome]:
        self.waiting.set()
        assert self.may_begin.wait(30)
        batch = list(take())
        self.batches.append(batch)
        return [self.answer(write) for write in batch]

    def find_accepted(self, accept_id: AcceptId) -> MessageId | None:
        raise NotImplementedError


class Door:
    """What a door has: outcomes as they are delivered, and whether it heard of a broken disk."""

    def __init__(self, writes: Turns) -> None:
        self.deliveries: list[Settled] = []
        self.broken = threading.Event()
        self.committer = Committer(
            writes, deliver=self.deliveries.append, on_broken=self.broken.set
        )
        self.outcomes: dict[int, Outcome] = {}

    def submit(self, number: int, write: Write) -> None:
        self.committer.submit(write, lambda outcome: self.outcomes.update({number: outcome}))

    def finish(self) -> list[Outcome]:
        """Stop, then call everyone who waits, as the loop would."""
        self.committer.stop()
        for delivery in self.deliveries:
            for done, outcome in delivery:
                done(outcome)
        return [self.outcomes[number] for number in sorted(self.outcomes)]


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def door(turns: Turns) -> Door:
    return Door(turns)


def test_what_waits_for_the_turn_goes_in_one_batch(turns: Turns, door: Door) -> None:
    turns.may_begin.clear()
    door.committer.start()
    door.submit(0, letter_to(BOX))
    assert turns.waiting.wait(30)
    for number in range(1, 10):
        door.submit(number, letter_to(BOX))
    turns.may_begin.set()
    assert door.finish() == [Accepted(MessageId(1))] * 10
    assert [len(batch) for batch in turns.batches] == [10]
    assert len(door.deliveries) == 1


def test_stop_commits_what_waits(turns: Turns, door: Door) -> None:
    for number in range(3):
        door.submit(number, letter_to(BOX))
    door.committer.start()
    assert len(door.finish()) == 3


def test_a_batch_is_bounded_by_its_rows(turns: Turns, door: Door) -> None:
    for number in range(5):
        door.submit(number, removal(BOX, range(commit.BATCH_ROWS // 2)))
    door.committer.start()
    assert len(door.finish()) == 5
    assert [len(batch) for batch in turns.batches] == [2, 2, 1]


def test_a_batch_is_bounded_by_its_octets(turns: Turns, door: Door) -> None:
    large = bytes(commit.BATCH_OCTETS // 2)
    for number in range(5):
        door.submit(number, letter_to(BOX, body=large))
    door.committer.start()
    assert len(door.finish()) == 5
    assert [len(batch) for batch in turns.batches] == [2, 2, 1]


def test_each_write_hears_its_own_outcome(turns: Turns, door: Door) -> None:
    error = ValueError("a bad write")
    wanted: list[Outcome] = [Accepted(MessageId(7)), Failed(error), Removed(2)]
    answers = iter(wanted)
    turns.answer = lambda _write: next(answers)
    for number in range(3):
        door.submit(number, letter_to(BOX))
    door.committer.start()
    assert door.finish() == wanted
    assert not door.broken.is_set()


def test_a_disk_that_broke_on_the_way_is_told_after_the_outcomes(turns: Turns, door: Door) -> None:
    answers: Iterator[Outcome] = iter([Accepted(MessageId(1)), Failed(StoreBroken("disk"))])
    turns.answer = lambda _write: next(answers)
    for number in range(2):
        door.submit(number, letter_to(BOX))
    door.committer.start()
    outcomes = door.finish()
    assert outcomes[0] == Accepted(MessageId(1))
    assert isinstance(outcomes[1], Failed)
    assert door.broken.is_set()


def test_a_turn_that_fails_answers_everyone_and_is_told(turns: Turns, door: Door) -> None:
    def fail(_write: Write) -> Outcome:
        raise StoreBroken("disk")

    turns.answer = fail
    for number in range(3):
        door.submit(number, letter_to(BOX))
    door.committer.start()
    assert [type(outcome) for outcome in door.finish()] == [Failed] * 3
    assert door.broken.is_set()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store")
    yield store
    store.close()


def test_many_threads_submit_to_one_committer_on_the_real_store(store: SqliteStore) -> None:
    (box,) = people(store, 1)
    settled: list[Outcome] = []
    committer = Committer(
        store.writes,
        deliver=lambda batch: settled.extend(outcome for _, outcome in batch),
        on_broken=lambda: None,
    )
    committer.start()

    def submit() -> None:
        for _ in range(25):
            committer.submit(letter_to(box), lambda _outcome: None)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    committer.stop()
    assert [type(outcome) for outcome in settled] == [Accepted] * 100
    assert uids_of(store, box) == list(range(1, 101))
