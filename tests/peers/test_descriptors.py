"""Descriptors that are kept back, in a process of its own that has few."""

from __future__ import annotations

import os
import resource

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
