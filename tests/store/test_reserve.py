"""The reserve: what it says it holds, it holds, and what it says it gave back is free."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailserver.store.files.reserve import Reserve

WANTED = 64 * 1024


def reserve_in(folder: Path) -> Reserve:
    return Reserve(folder / "reserve", wanted_octets=WANTED)


def refuse(code: int = errno.ENOSPC) -> object:
    def refusal(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return refusal


def test_missing_full_and_empty_are_told_apart(tmp_path: Path) -> None:
    reserve = reserve_in(tmp_path)
    assert (reserve.octets(), reserve.owed_octets(), reserve.is_full()) == (None, 0, False)
    assert not reserve.release()
    assert reserve.fill()
    assert (reserve.octets(), reserve.owed_octets(), reserve.is_full()) == (WANTED, 0, True)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= WANTED  # no hole
    assert reserve.release()
    assert (reserve.octets(), reserve.owed_octets(), reserve.is_full()) == (0, WANTED, False)
    assert not reserve.release()


def test_what_could_not_be_emptied_is_not_said_to_be_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = reserve_in(tmp_path)
    assert reserve.fill()
    monkeypatch.setattr(os, "truncate", refuse(errno.EIO))
    assert not reserve.release()
    assert reserve.is_full()


def test_what_could_not_be_filled_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = reserve_in(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "posix_fallocate", refuse())
    assert not reserve.fill()
    assert reserve.octets() == 0
    monkeypatch.setattr(os, "ftruncate", refuse(errno.EIO))
    assert not reserve.fill()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_larger_one_than_is_wanted_now_owes_nothing(tmp_path: Path) -> None:
    assert reserve_in(tmp_path).fill()
    smaller = Reserve(tmp_path / "reserve", wanted_octets=WANTED // 2)
    assert smaller.is_full()
    assert smaller.owed_octets() == 0
