"""Bodies that nothing names: a day old, by the file's own time, and by no clock that was ahead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.store.files.bodies import ORPHAN_AGE_S
from mailserver.store.sqlite.store import SqliteStore
from tests.store.letters import NOW_S
from tests.store.template import put_new_store


class Shard:
    """One folder of bodies with one file in it."""

    def __init__(self, store: SqliteStore, folder: Path) -> None:
        self._files = store._files
        self.path = folder / "store" / "bodies" / "aa" / "aa-orphan"
        self.path.parent.mkdir(exist_ok=True)
        self.path.touch()

    def sweep(self, *, at_s: float) -> bool:
        """Did it go?"""
        found = list(self._files.orphans("aa", now_s=at_s, is_named=lambda _name: False))
        assert found == ([] if self.path.exists() else [self.path.name])
        return bool(found)


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield Shard(store, tmp_path)
    store.close()


@pytest.mark.parametrize(("age_s", "goes"), [(-1.0, False), (0.0, True), (1.0, True)])
def test_a_file_stays_for_a_day(shard: Shard, age_s: float, goes: bool) -> None:
    """The longest upload is shorter."""
    written_s = NOW_S - ORPHAN_AGE_S - age_s
    os.utime(shard.path, (written_s, written_s))
    assert shard.sweep(at_s=NOW_S) is goes


def test_being_looked_at_makes_no_file_younger(shard: Shard) -> None:
    os.utime(shard.path, (NOW_S, NOW_S))
    for hour in range(24):
        assert not shard.sweep(at_s=NOW_S + hour * 3600)
    assert shard.path.stat().st_mtime == NOW_S
    assert shard.sweep(at_s=NOW_S + ORPHAN_AGE_S + 1)


@pytest.mark.parametrize("ahead_s", [ORPHAN_AGE_S + 1, 400 * 86_400.0])
def test_a_file_of_a_clock_that_was_ahead_stays_a_day_from_now_and_not_for_years(
    shard: Shard, ahead_s: float
) -> None:
    os.utime(shard.path, (NOW_S + ahead_s, NOW_S + ahead_s))
    assert not shard.sweep(at_s=NOW_S)
    assert shard.path.stat().st_mtime == NOW_S
    assert not shard.sweep(at_s=NOW_S + ORPHAN_AGE_S - 1)
    assert shard.sweep(at_s=NOW_S + ORPHAN_AGE_S + 1)


def test_a_file_of_a_clock_that_is_a_little_ahead_keeps_its_time(shard: Shard) -> None:
    os.utime(shard.path, (NOW_S + 60, NOW_S + 60))
    assert not shard.sweep(at_s=NOW_S)
    assert shard.path.stat().st_mtime == NOW_S + 60
