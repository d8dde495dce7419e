"""A disk that fails under the queue: what is answered, and what is on disk afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mailserver.queue.reports import ReportKind
from mailserver.store.ports.errors import StoreBroken, StoreFull
from mailserver.store.ports.queue import ReportMade, Settlement
from mailserver.store.ports.writes import Failed, Write
from mailserver.store.sqlite.store import SqliteStore
from tests.store.letters import NOW_S, accept, letter_to, people, uids_of
from tests.store.queued import Agent, outgoing, returned
from tests.store.sqlite.faults import Disk, failing_disk

LOG = "mail.db-wal"
TABLES = ("queue", "copy", "attempt", "owed_report", "destination", "spent", "agent")


@pytest.fixture
def disk() -> Iterator[Disk]:
    with failing_disk() as disk:
        yield disk


@pytest.fixture
def store(disk: Disk, tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store")
    yield store
    disk.mend()
    store.close()


def contents(store: SqliteStore) -> dict[str, list[tuple[object, ...]]]:
    return {table: store._engine.read(f"SELECT * FROM {table}") for table in TABLES}


def error_of(store: SqliteStore, write: Write) -> type[BaseException]:
    (outcome,) = store.writes.apply([write])
    assert isinstance(outcome, Failed), outcome
    return type(outcome.error)


def settlement_of(store: SqliteStore) -> tuple[Agent, Settlement]:
    """Three copies that an agent holds, and what it says of them: all returned."""
    accept(store.writes, outgoing("a@x", "b@x", "c@x"))
    agent = Agent(store)
    outcomes = tuple(map(returned, agent.lease()))
    return agent, Settlement(agent_id=agent.agent_id, outcomes=outcomes, at_s=NOW_S)


def test_a_settlement_on_a_full_disk_changes_nothing_and_may_be_tried_again(
    store: SqliteStore, disk: Disk
) -> None:
    agent, settlement = settlement_of(store)
    before = contents(store)
    disk.on_write[LOG] = apsw.FullError
    assert error_of(store, settlement) is StoreFull
    assert contents(store) == before
    disk.mend()
    assert agent.settle(*settlement.outcomes) == []
    assert len(store._engine.read("SELECT 1 FROM owed_report")) == 3


@pytest.mark.parametrize("where", ["write", "sync"])
def test_a_settlement_on_a_broken_disk_leaves_all_to_the_next_agent(
    store: SqliteStore, disk: Disk, where: str, tmp_path: Path
) -> None:
    agent, settlement = settlement_of(store)
    (disk.on_write if where == "write" else disk.on_sync)[LOG] = apsw.IOError
    assert error_of(store, settlement) is StoreBroken
    disk.mend()
    assert error_of(store, settlement) is StoreBroken  # for good, in this process
    store.close()
    again = SqliteStore(tmp_path / "store")
    refs = [outcome.ref for outcome in settlement.outcomes]
    heir = Agent(again)  # the first one's lock is free, so what it held is due at once
    assert heir.agent_id != agent.agent_id
    # A failed fsync says nothing of what is on disk: all of it, or nothing.
    owed = again._engine.read("SELECT 1 FROM owed_report")
    assert (heir.lease(), len(owed)) in (([], 3), (refs, 0))
    again.close()


@pytest.mark.parametrize("fault", [apsw.FullError, apsw.IOError])
def test_a_report_that_meets_a_bad_disk_is_still_owed(
    store: SqliteStore, disk: Disk, fault: type[apsw.Error]
) -> None:
    (box,) = people(store, 1)
    agent, settlement = settlement_of(store)
    agent.settle(*settlement.outcomes)
    cleared = tuple((outcome.ref, ReportKind.FAILED) for outcome in settlement.outcomes)
    disk.on_write[LOG] = fault
    error_of(store, ReportMade(acceptance=letter_to(box), cleared=cleared))
    disk.mend()
    assert uids_of(store, box) == []
    assert len(store.queue.owed_reports(limit=1)[0].copies) == 3


def test_nobody_is_woken_by_what_was_not_stored(store: SqliteStore, disk: Disk) -> None:
    woken: list[None] = []
    store.writes._wake = lambda: woken.append(None)
    disk.on_write[LOG] = apsw.FullError
    assert error_of(store, outgoing()) is StoreFull
    assert woken == []
    disk.mend()
    accept(store.writes, outgoing())
    assert woken == [None]
