"""The model of a disk is strict: what no fsync covered is gone."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.powercut.disk import (
    Disk,
    FileChange,
    Luck,
    NoLuck,
    Resized,
    SomeLuck,
    Written,
)


def survivors(disk: Disk, luck: Luck | None = None) -> dict[str, bytes | None]:
    return {path: octets for path, _, octets in disk.survivors(luck or NoLuck())}


def sync(disk: Disk, path: str) -> None:
    disk.end_sync(disk.begin_sync(path))


def made(*names: str) -> Disk:
    """A disk with files whose names are synced and whose octets are not there yet."""
    disk = Disk()
    for name in names:
        disk.create(name)
    sync(disk, ".")
    return disk


def test_a_write_without_fsync_is_lost() -> None:
    disk = made("f")
    disk.file("f").change(Written(0, b"lost"))
    assert survivors(disk) == {"f": b""}


def test_a_synced_write_is_kept() -> None:
    disk = made("f")
    disk.file("f").change(Written(2, b"kept"))
    sync(disk, "f")
    assert survivors(disk) == {"f": b"\0\0kept"}


def test_a_sync_that_ends_late_brings_nothing_old_back() -> None:
    disk = made("f")
    disk.file("f").change(Written(0, b"old"))
    slow = disk.begin_sync("f")
    disk.file("f").change(Written(0, b"new"))
    sync(disk, "f")
    disk.end_sync(slow)
    assert survivors(disk) == {"f": b"new"}


def test_a_name_without_fsync_of_its_folder_is_lost() -> None:
    disk = Disk()
    disk.create("f")
    disk.file("f").change(Written(0, b"kept, and nobody finds it"))
    sync(disk, "f")
    assert survivors(disk) == {}


def test_fsync_of_the_folder_keeps_the_name_and_not_the_octets() -> None:
    disk = Disk()
    disk.create("f")
    disk.file("f").change(Written(0, b"lost"))
    sync(disk, ".")
    assert survivors(disk) == {"f": b""}


def test_a_rename_needs_the_fsync_of_the_folder_it_goes_to() -> None:
    disk = Disk()
    disk.make_folder("tmp")
    disk.make_folder("48")
    sync(disk, ".")
    disk.create("tmp/f")
    disk.file("tmp/f").change(Written(0, b"body"))
    sync(disk, "tmp/f")
    disk.rename("tmp/f", "48/f")
    assert survivors(disk) == {"tmp": None, "48": None}
    sync(disk, "48")
    assert survivors(disk) == {"tmp": None, "48": None, "48/f": b"body"}


def test_an_unlink_without_fsync_comes_back() -> None:
    disk = made("f")
    disk.unlink("f")
    assert not disk.exists("f")
    assert survivors(disk) == {"f": b""}


def test_a_sync_covers_only_what_was_written_before_it_began() -> None:
    disk = made("f")
    disk.file("f").change(Written(0, b"old"))
    begun = disk.begin_sync("f")
    disk.file("f").change(Written(0, b"new"))
    disk.end_sync(begun)
    assert survivors(disk) == {"f": b"old"}


def test_syncs_that_overlap_settle_each_change_once() -> None:
    disk = made("f")
    disk.file("f").change(Written(0, b"1"))
    first = disk.begin_sync("f")
    disk.file("f").change(Written(1, b"2"))
    second = disk.begin_sync("f")
    disk.end_sync(second)
    disk.end_sync(first)
    assert survivors(disk) == {"f": b"12"}
    assert disk.file("f").pending == []


def test_a_truncation_without_fsync_is_undone() -> None:
    disk = made("f")
    disk.file("f").change(Written(0, b"whole"))
    sync(disk, "f")
    disk.file("f").change(Resized(0))
    assert disk.file("f").size_octets == 0
    assert survivors(disk) == {"f": b"whole"}


def test_a_folder_on_the_real_disk_counts_as_synced(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "f").write_bytes(b"there")
    assert survivors(Disk.of(tmp_path)) == {"sub": None, "sub/f": b"there"}


CHANGES = st.lists(
    st.one_of(
        st.builds(Written, st.integers(0, 2_000), st.binary(max_size=1_500)),
        st.builds(Resized, st.integers(0, 2_000)),
    ),
    max_size=8,
)


@given(CHANGES, CHANGES, st.integers())
def test_whatever_luck_has_each_sector_is_an_old_or_a_written_one(
    synced: list[FileChange], pending: list[FileChange], seed: int
) -> None:
    """No luck invents octets: each one is zero, synced, or was written at that place."""
    disk = made("f")
    for change in synced:
        disk.file("f").change(change)
    sync(disk, "f")
    before = survivors(disk)["f"] or b""
    for change in pending:
        disk.file("f").change(change)
    after = survivors(disk, SomeLuck(random.Random(seed)))["f"] or b""
    writes = [change for change in pending if isinstance(change, Written)]
    for at, octet in enumerate(after):
        possible = {0, *before[at : at + 1]}
        for write in writes:
            possible.update(write.octets[at - write.offset :][:1] if at >= write.offset else b"")
        assert octet in possible
    assert (survivors(disk)["f"] or b"") == before
