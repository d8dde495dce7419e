"""Descriptors that are kept back, in a process of its own that has few."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from mailserver.peers import descriptors
from mailserver.peers.descriptors import Spares


def in_a_process_with(limit: int, spares: int) -> list[bool]:
    """What `look` says: at first, when nothing is left, when there is room again."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            highest = os.open(os.devnull, os.O_RDONLY)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + limit, hard))
            kept = Spares(spares)
            said = [kept.look()]
            taken = []
            try:
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                said.append(kept.look())
            os.close(os.open(os.devnull, os.O_RDONLY))  # one that was let go
            for fd in taken:
                os.close(fd)
            said.append(kept.look())
            os.write(write_fd, repr(said).encode())
            status = 0
        finally:
            os._exit(status)
    os.waitpid(pid, 0)
    os.close(write_fd)
    with os.fdopen(read_fd) as file:
        return [word == "True" for word in file.read().strip("[]").split(", ")]


def test_when_none_is_left_the_spares_are_let_go_and_taken_back() -> None:
    assert in_a_process_with(40, 8) == [False, True, False]


class Table:
    """In place of `os`: a process that may have so many descriptors."""

    devnull, O_RDONLY, O_CLOEXEC = os.devnull, os.O_RDONLY, os.O_CLOEXEC

    def __init__(self, room: int) -> None:
        self.room = room

    def open(self, _path: str, flags: int) -> int:
        assert flags & os.O_CLOEXEC
        if self.room == 0:
            raise OSError(errno.EMFILE, "too many open files")
        self.room -= 1
        return 1000

    def close(self, _fd: int) -> None:
        self.room += 1


def test_all_of_them_are_back_or_none_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(10)
    monkeypatch.setattr(descriptors, "os", table)
    kept = Spares(4)
    assert (kept.is_short, table.room) == (False, 6)
    assert not kept.look()
    assert table.room == 6  # what it tried is given back
    table.room = 0
    assert kept.look()
    assert table.room == 4  # let go
    table.room = 3
    assert kept.look()
    assert table.room == 3  # too few, so none is held
    table.room = 4
    assert not kept.look()
    assert table.room == 0
    kept.close()
    assert table.room == 4


def test_who_begins_without_room_is_short_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = Table(2)
    monkeypatch.setattr(descriptors, "os", table)
    kept = Spares(4)
    assert kept.is_short
    assert table.room == 2
    table.room = 9
    assert not kept.look()
