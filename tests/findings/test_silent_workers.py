"""Workers that stop, hang or cannot come back, in a whole service."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mailserver.supervisor.master.window import look
from tests.findings.whole import Whole, whole_service
from tests.supervisor.service import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole_service(tmp_path_factory.mktemp("silent") / "s") as whole:
        whole.start()
        whole.wait_for("ready")
        yield whole


def slots(whole: Whole) -> dict[str, dict[str, object]]:
    (facts,) = look(whole.folder / "store")
    return {slot["name"]: slot for slot in facts["processes"]}


def test_the_window_shows_every_process_and_what_it_counts(whole: Whole) -> None:
    wait_until(lambda: all(slot["silent_s"] is not None for slot in slots(whole).values()))
    seen = slots(whole)
    assert set(seen) == {
        *(f"{door} parent" for door in ("smtp", "pop3", "web", "delivery", "keeper")),
        *("smtp.0", "smtp.1", "pop3.0", "web.0", "delivery.0", "keeper.0"),
    }
    wait_until(lambda: all(slots(whole)[f"{d}.0"]["report"] for d in ("smtp", "pop3", "keeper")))


def _is_replaced(whole: Whole, door: str, pid: int) -> bool:
    """The log says it before the process is gone."""
    workers = whole.workers(door)
    return pid not in workers and len(workers) == (2 if door == "smtp" else 1)


def test_workers_of_every_door_that_are_stopped_are_replaced(whole: Whole) -> None:
    doors = ("smtp", "pop3", "delivery", "keeper", "web")
    stopped = {door: whole.workers(door)[0] for door in doors}
    for pid in stopped.values():
        os.kill(pid, signal.SIGSTOP)
    with socket.create_connection(("127.0.0.1", whole.ports["pop3"]), PATIENCE_S) as waiting:
        for pid in stopped.values():
            whole.wait_for("replaced: it did not answer", pid=pid, patience_s=PATIENCE_S)
        assert waiting.recv(100).startswith(b"+OK")  # by its successor
    for door, pid in stopped.items():
        wait_until(partial(_is_replaced, whole, door, pid))
        assert slots(whole)[f"{door}.0"]["replaced_count"] == 1 or door == "smtp"


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_fork_server_that_is_stopped_is_replaced(whole: Whole) -> None:
    """Over half a minute, of which nothing can be left out."""
    (fork_server,) = whole.named("fork server")
    os.kill(fork_server, signal.SIGSTOP)
    whole.wait_for("fork server replaced: it was stopped", pid=fork_server, patience_s=PATIENCE_S)
    wait_until(lambda: whole.named("fork server") not in ([fork_server], []), patience_s=PATIENCE_S)
    wait_until(lambda: len(whole.workers("pop3")) == 1, patience_s=PATIENCE_S)


def test_a_supervisor_that_is_stopped_is_told_by_status(whole: Whole) -> None:
    assert whole.process is not None
    os.kill(whole.process.pid, signal.SIGSTOP)
    try:
        assert f"the supervisor (process {whole.process.pid}) does not answer" in whole.findings()
    finally:
        os.kill(whole.process.pid, signal.SIGCONT)
    assert "the supervisor" not in whole.findings()


def test_while_a_worker_cannot_come_back_its_parent_answers(whole: Whole, tmp_path: Path) -> None:
    """Its store is gone: each start fails."""
    store = whole.folder / "store"
    away = whole.folder / "away"
    store.rename(away)
    store.write_text("no folder")
    try:
        for door in ("smtp", "pop3"):
            for pid in whole.workers(door):
                os.kill(pid, signal.SIGKILL)
        for name, words in (
            ("mx", b"421 4.3.0 "),
            ("submission", b"421 4.3.0 "),
            ("pop3", b"-ERR [SYS/TEMP] "),
            ("pop3s", b"\x15\x03\x03\x00\x02\x02\x50"),
        ):
            with socket.create_connection(("127.0.0.1", whole.ports[name]), 60) as sock:
                assert sock.makefile("rb").read().startswith(words)
    finally:
        store.unlink()
        away.rename(store)

    def is_back() -> bool:
        with socket.create_connection(("127.0.0.1", whole.ports["mx"]), 60) as sock:
            return sock.recv(100).startswith(b"220 ")

    wait_until(is_back, patience_s=PATIENCE_S)
