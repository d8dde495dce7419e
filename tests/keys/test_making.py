"""New key files: whole, of one mode, one for all who come at the same time."""

from __future__ import annotations

import os
import stat
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from mailserver.keys.making import PRIVATE_MODE, PUBLIC_MODE, draft_of, publish_new

MAKERS = 6


def test_the_mode_is_as_stated_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        publish_new(tmp_path / "a", b"a", mode=PRIVATE_MODE)
        publish_new(tmp_path / "b", b"b", mode=PUBLIC_MODE)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o600, 0o644]


def test_a_draft_that_was_left_is_in_nobodys_way(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "key", tmp_path / "elsewhere"
    draft_of(path).symlink_to(elsewhere)
    publish_new(path, b"whole", mode=PRIVATE_MODE)
    assert path.read_bytes() == b"whole"
    assert not elsewhere.exists()
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_there_stays(tmp_path: Path, is_link: bool) -> None:
    path, elsewhere = tmp_path / "key", tmp_path / "elsewhere"
    if is_link:
        path.symlink_to(elsewhere)
    else:
        path.write_bytes(b"first")
    with pytest.raises(FileExistsError):
        publish_new(path, b"second", mode=PRIVATE_MODE)
    assert not elsewhere.exists()
    assert is_link or path.read_bytes() == b"first"
    assert not draft_of(path).exists()


def _make(path: Path, letter: bytes, start: Barrier) -> None:
    start.wait()
    try:
        publish_new(path, letter * 100_000, mode=PRIVATE_MODE)
    except FileExistsError:
        os._exit(1)


def test_of_those_who_make_it_at_once_one_wins_and_all_find_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    fork = get_context("fork")
    start = fork.Barrier(MAKERS)
    makers = [
        fork.Process(target=_make, args=(path, bytes([65 + number]), start))
        for number in range(MAKERS)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert sorted(maker.exitcode or 0 for maker in makers) == [0] + [1] * (MAKERS - 1)
    octets = path.read_bytes()
    assert len(octets) == 100_000
    assert octets == octets[:1] * 100_000
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
