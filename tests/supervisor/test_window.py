"""The window: who may look, what they see; several supervisors of one store."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailserver.supervisor.master import window as module
from mailserver.supervisor.master.window import Window, look, look_at_all
from mailserver.supervisor.wakeup import wait_readable


@contextmanager
def opened(store: Path, name: str, *, users: tuple[int, ...] = ()) -> Iterator[Window]:
    """A window that answers until the test is over."""
    window = Window(store, users=users)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            if wait_readable(window.fds, 0.05):
                window.answer({"name": name})

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield window
    finally:
        ended.set()
        thread.join()
        window.close()


def test_every_supervisor_of_a_store_is_seen_by_whatever_path(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "link").symlink_to(store)
    assert look(store) == []
    with opened(store, "one"), opened(store, "two"):
        for path in (store, tmp_path / "link"):
            assert look(path) == [{"name": "one"}, {"name": "two"}]
    assert look(store) == []
    assert look(tmp_path / "nowhere") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize(("user", "sees"), [(65534, []), (12345, [{"name": "one"}])])
def test_only_root_and_the_services_users_may_look(
    tmp_path: Path, user: int, sees: list[object]
) -> None:
    """The store is root's and the looker's own folder stays closed: only the kernel is asked."""
    read_fd, write_fd = os.pipe()
    with opened(tmp_path, "one", users=(12345,)):
        pid = os.fork()
        if pid == 0:
            name = module._names(tmp_path)[0]
            os.seteuid(user)
            os.write(write_fd, repr(module._ask(name, {0})).encode())
            os._exit(0)
        os.waitpid(pid, 0)
    os.close(write_fd)
    with os.fdopen(read_fd) as said:
        assert said.read() == repr(sees[0] if sees else None)


def test_a_stranger_who_took_the_name_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_user_of", lambda _sock: 4711)
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(module._names(tmp_path)[0])
        taken.listen()
        assert look(tmp_path) == []
        window = Window(tmp_path, users=())
        assert len(window.fds) == 1  # it takes the next number
        window.close()


def test_a_supervisor_that_takes_and_says_nothing_is_known_by_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped: the kernel takes the connection for it."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    silent = Window(tmp_path, users=())
    try:
        assert look_at_all(tmp_path) == ([], [os.getpid()])
        assert look(tmp_path) == []
        with opened(tmp_path, "two"):
            assert look_at_all(tmp_path) == ([{"name": "two"}], [os.getpid()])
    finally:
        silent.close()
