"""One bad delivery in a batch fails alone, wherever in the batch's work it goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mailserver.store.commit import Committer, Settled
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.writes import Accepted, Failed, Outcome, Removed, Write
from mailserver.store.sql import writes
from mailserver.store.sql.engine import Connection
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.message import Acceptance
from tests.store.letters import accept, letter, letter_to, people, removal, uids_of

POISON = "poison@ac-exemple.fr"
Inject = Callable[[pytest.MonkeyPatch], None]


def is_poisoned(acceptance: Acceptance) -> bool:
    return any(copy.recipient == POISON for copy in acceptance.copies)


def in_making_its_row(patch: pytest.MonkeyPatch) -> None:
    message_row = writes._message_row

    def fail(message_id: int, acceptance: Acceptance) -> Sequence[object]:
        if is_poisoned(acceptance):
            raise ZeroDivisionError("a bug of our own")
        return message_row(message_id, acceptance)

    patch.setattr(writes, "_message_row", fail)


def after_the_statements(patch: pytest.MonkeyPatch) -> None:
    accept_all = writes._accept

    def fail(
        connection: Connection, acceptances: Sequence[Acceptance], *, nonce: int
    ) -> tuple[list[Accepted], bool]:
        accepted = accept_all(connection, acceptances, nonce=nonce)
        if any(map(is_poisoned, acceptances)):
            raise StoreUnavailable("before the commit")
        return accepted

    patch.setattr(writes, "_accept", fail)


def in_a_constraint(patch: pytest.MonkeyPatch) -> None:
    message_row = writes._message_row

    def fail(message_id: int, acceptance: Acceptance) -> Sequence[object]:
        row = list(message_row(message_id, acceptance))
        if is_poisoned(acceptance):
            row[0] = 1  # the id of the first message
        return row

    patch.setattr(writes, "_message_row", fail)


INJECTIONS = [in_making_its_row, after_the_statements, in_a_constraint]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store")
    yield store
    store.close()


@pytest.mark.parametrize("inject", INJECTIONS)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_poisoned_delivery_fails_alone(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, inject: Inject, place: int
) -> None:
    box, other = people(store, 2)
    accept(store.writes, letter_to(box), letter_to(other))
    inject(monkeypatch)
    batch: list[Write] = [letter_to(box, other) for _ in range(5)]
    batch.insert(2, removal(other, [1]))
    batch.insert(place, letter((POISON, box), (POISON, other)))
    outcomes = store.writes.apply(batch)
    failed = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Failed)]
    removed = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Removed)]
    assert failed == [place]
    assert removed == [n for n, write in enumerate(batch) if not isinstance(write, Acceptance)]
    assert uids_of(store, box) == [1, 2, 3, 4, 5, 6]
    assert uids_of(store, other) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("inject", INJECTIONS)
def test_only_the_sender_of_a_poisoned_delivery_hears_of_it(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, inject: Inject
) -> None:
    """Through the writer thread, in one batch: while another writer has the turn, ten wait."""
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    inject(monkeypatch)
    outcomes: dict[int, Outcome] = {}
    deliveries: list[Settled] = []
    broken = threading.Event()
    committer = Committer(store.writes, deliver=deliveries.append, on_broken=broken.set)

    def submit(number: int) -> None:
        write = letter((POISON, box)) if number == 4 else letter_to(box)
        committer.submit(write, lambda outcome: outcomes.update({number: outcome}))

    def submit_while_we_hold_the_turn() -> list[Write]:
        committer.start()
        for number in range(10):
            submit(number)
        return []

    store.writes.apply_waiting(submit_while_we_hold_the_turn)
    committer.stop()
    for done, outcome in (pair for delivery in deliveries for pair in delivery):
        done(outcome)
    assert {n for n, outcome in outcomes.items() if isinstance(outcome, Failed)} == {4}
    assert {n for n, outcome in outcomes.items() if isinstance(outcome, Accepted)} == set(
        range(10)
    ) - {4}
    assert uids_of(store, box) == list(range(1, 11))
    assert not broken.is_set()
