"""The file of the index: unreadable, missing, or of somebody else; the history fills it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.sql.history.tracing import Progress
from mailserver.store.sqlite import trace_index
from mailserver.store.sqlite.store import SqliteStore
from mailserver.store.sqlite.trace_index import BUCKET, SqliteTraceIndex
from mailserver.values.ids import AcceptId, MessageId
from tests.store.letters import accept, letter, people

ID = AcceptId(b"i" * 15)


def add(index: SqliteTraceIndex, *numbers: int, digest: int = 7) -> None:
    index.add([(MessageId(n), {digest, n}) for n in numbers], Progress(MessageId(numbers[-1]), ID))


def test_a_look_up_asks_every_bucket_the_newest_first(tmp_path: Path) -> None:
    index = SqliteTraceIndex(tmp_path / "trace.db")
    numbers = [1, 5, BUCKET, BUCKET + 1, 9 * BUCKET]
    add(index, *numbers)
    assert index.find(7, limit=10) == numbers[::-1]
    assert index.find(7, limit=2) == numbers[:-3:-1]
    assert index.find(-1, limit=2) == []
    assert index.progress() == Progress(MessageId(9 * BUCKET), ID)


def test_a_range_is_forgotten_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_index, "FORGET_SLICE", 3)
    index = SqliteTraceIndex(tmp_path / "trace.db")
    add(index, 1, 2, BUCKET)
    assert index.oldest_range() == (0, BUCKET - 1)
    assert [index.forget(MessageId(0)) for _ in range(3)] == [3, 1, 0]
    assert index.oldest_range() == (BUCKET, 2 * BUCKET - 1)
    index.clear()
    assert index.oldest_range() is None
    assert index.progress() is None


def test_who_only_reads_makes_no_file(tmp_path: Path) -> None:
    index = SqliteTraceIndex(tmp_path / "trace.db")
    assert index.find(7, limit=1) == []
    assert index.progress() is None
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_index_answers_nothing_and_is_made_anew_by_the_keeper(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "store")
    (box,) = people(store, 1)
    sent = letter(("un@d", box))
    accept(store.writes, sent)
    (tmp_path / "store/trace.db").write_bytes(b"no database at all, but long enough" * 100)
    assert len(store.history.journeys_of("un@d", limit=1).journeys) == 1
    with pytest.raises(StoreUnavailable, match="trace index"):
        store.upkeep.index_journeys()
    assert store.upkeep.index_journeys() == 1
    assert store.history.journey(sent.accept_id) is not None
    store.close()


def test_a_place_that_cannot_be_written_is_no_worse_than_no_index(tmp_path: Path) -> None:
    index = SqliteTraceIndex(tmp_path / "no" / "such" / "folder" / "trace.db")
    assert index.find(7, limit=1) == []
    with pytest.raises(StoreUnavailable):
        add(index, 1)


def test_processes_share_the_index(tmp_path: Path) -> None:
    keeper, other = (SqliteTraceIndex(tmp_path / "trace.db") for _ in range(2))
    add(keeper, 1)
    assert other.find(7, limit=1) == [1]
    add(keeper, 2)
    assert other.find(7, limit=1) == [2]
    keeper.close()
    other.close()
