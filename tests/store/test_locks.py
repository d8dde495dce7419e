"""Locks in the store's folder: what a full disk, or a system without locks, does to them."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailserver.store.files import locks, slots
from mailserver.store.files.locks import FileLocks, MaildropLocks
from mailserver.store.files.private import open_private
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.values.ids import MailboxId

BOX = MailboxId(7)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


class Disk:
    """`open_private` of a disk that answers so many times with an error."""

    def __init__(self, code: int, *, times: int) -> None:
        self.code, self.times, self.rooms = code, times, 0

    def open(self, path: str) -> int:
        if self.times > 0:
            self.times -= 1
            raise OSError(self.code, os.strerror(self.code), path)
        return open_private(path)

    def make_room(self) -> None:
        self.rooms += 1


def locks_on(disk: Disk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> MaildropLocks:
    monkeypatch.setattr(locks, "open_private", disk.open)
    return MaildropLocks(folder, make_room=disk.make_room)


def test_a_full_disk_locks_no_reader_out_once_room_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who deletes mail makes room: their lock needs a file first."""
    disk = Disk(errno.ENOSPC, times=1)
    lock = locks_on(disk, tmp_path, monkeypatch).lock_maildrop(BOX)
    assert lock is not None
    lock.release()
    assert disk.rooms == 1


@pytest.mark.parametrize(
    ("code", "times", "rooms"), [(errno.ENOSPC, 2, 1), (errno.EMFILE, 1, 0), (errno.EROFS, 1, 0)]
)
def test_what_no_room_helps_is_for_later_and_costs_no_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, times: int, rooms: int
) -> None:
    disk = Disk(code, times=times)
    with pytest.raises(StoreUnavailable, match="maildrop lock"):
        locks_on(disk, tmp_path, monkeypatch).lock_maildrop(BOX)
    assert disk.rooms == rooms


@pytest.mark.parametrize("who", ["maildrop", "agent"])
def test_a_system_that_has_no_lock_left_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    def no_lock(_fd: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    (tmp_path / "locks").mkdir()
    held = FileLocks(tmp_path)
    monkeypatch.setattr(fcntl, "flock", no_lock)
    before = open_files()
    ask: Callable[[], object] = held.slots.take
    if who == "maildrop":
        ask = lambda: held.lock_maildrop(BOX)  # noqa: E731 - one of two
    with pytest.raises(StoreUnavailable, match=f"{who} lock"):
        ask()
    assert open_files() == before


def test_a_lock_that_somebody_else_has_leaves_no_file_open(tmp_path: Path) -> None:
    """A door is asked for a maildrop that is taken, again and again, for a whole session."""
    (tmp_path / "locks").mkdir()
    one, other = FileLocks(tmp_path), FileLocks(tmp_path)
    lock, slot = one.lock_maildrop(BOX), one.slots.take()
    assert lock is not None
    assert one.become_keeper()
    before = open_files()
    assert other.lock_maildrop(BOX) is None
    assert not other.slots.is_free(slot)
    assert not other.become_keeper()
    assert other.slots.is_free(slot + 1)
    assert open_files() == before
    lock.release()
    again = other.lock_maildrop(BOX)
    assert again is not None
    again.release()


def test_a_lock_is_released_once(tmp_path: Path) -> None:
    """The number of a closed descriptor may be somebody else's by then."""
    lock = MaildropLocks(tmp_path).lock_maildrop(BOX)
    assert lock is not None
    number = lock.fd
    lock.release()
    other = os.open(tmp_path, os.O_RDONLY)
    assert other == number
    lock.release()
    os.fstat(other)
    os.close(other)


def test_the_keeper_is_one_until_it_closes(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    one, other = FileLocks(tmp_path), FileLocks(tmp_path)
    assert one.become_keeper()
    assert one.become_keeper()
    assert not other.become_keeper()
    one.close()
    assert other.become_keeper()
    assert not one.become_keeper()
    other.close()
    other.close()


def test_slots_are_given_back_one_by_one(tmp_path: Path) -> None:
    one, other = slots.AgentSlots(tmp_path), slots.AgentSlots(tmp_path)
    assert [one.take(), one.take(), other.take()] == [0, 1, 2]
    one.leave(0)
    one.leave(0)
    assert other.is_free(0)
    assert not other.is_free(1)
    assert other.take() == 0
    one.close()
    assert other.is_free(1)
    other.close()
