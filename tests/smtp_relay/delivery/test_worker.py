"""The delivery door as a process runs it: what it must not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.supervisor.contract import WorkerContext
from mailserver.values.secret import Secret
from smtp_relay.delivery.worker import Worker, prepare
from tests.store.letters import accept
from tests.store.queued import outgoing

PATIENCE_S = 20.0


def settings_of(folder: Path, *, server: socket.socket, hop: socket.socket) -> Settings:
    """Everything leaves by `hop`; `server` is the name server."""
    tree: dict[str, Any] = {
        "service": {"domain": "a.test", "hostname": "mail.a.test"},
        "store": {"path": folder / "store"},
        "dns": {"servers": [f"127.0.0.1:{server.getsockname()[1]}"], "lifetime_s": 50},
        "routes": [
            {
                "name": "out",
                "via": "smarthost",
                "host": "127.0.0.1",
                "port": hop.getsockname()[1],
                "tls": "none",
            }
        ],
    }
    return Settings.model_validate(tree)


@pytest.mark.slow
def test_mail_by_a_route_leaves_while_the_name_server_is_silent(tmp_path: Path) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as silent,
        socket.create_server(("127.0.0.1", 0)) as hop,
    ):
        silent.bind(("127.0.0.1", 0))
        hop.settimeout(PATIENCE_S)
        settings = settings_of(tmp_path, server=silent, hop=hop)
        store = open_store(settings)
        accept(store.writes, outgoing(hop="route:out", at_s=time.time()))
        store.close()
        assert _visits(settings, hop) == 1


@pytest.mark.slow
def test_many_copies_whose_time_is_over_keep_no_report_and_no_lease_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent seemed dead, and lost what it held, while it returned them slice by slice."""
    for module in ("agent.timekeeper", "worker"):
        monkeypatch.setattr(f"smtp_relay.delivery.{module}.SLICE_COPIES", 1)
    with (
        socket.socket(type=socket.SOCK_DGRAM) as silent,
        socket.create_server(("127.0.0.1", 0)) as hop,
    ):
        silent.bind(("127.0.0.1", 0))
        settings = settings_of(tmp_path, server=silent, hop=hop)
        store = open_store(settings)
        names = [f"p{number}@exemple.net" for number in range(40)]
        long_ago_s = time.time() - 3600.0 * (settings.delivery.expire_hours + 1)
        accept(
            store.writes, outgoing(*names, at_s=long_ago_s, tell_at_s=long_ago_s, reverse_path="")
        )
        reported = threading.Event()

        def wait() -> None:
            deadline_s = time.monotonic() + PATIENCE_S
            while (
                "delivery.0" not in store.counters.read_reports() and time.monotonic() < deadline_s
            ):
                time.sleep(0.01)
            if "delivery.0" in store.counters.read_reports():
                reported.set()

        _run_until(settings, wait)
        store.close()
    assert reported.is_set()


def _visits(settings: Settings, hop: socket.socket) -> int:
    """Run a worker until somebody came to `hop`, or nobody did for long; how many came."""
    came: list[socket.socket] = []

    def wait() -> None:
        with contextlib.suppress(TimeoutError):
            came.append(hop.accept()[0])

    _run_until(settings, wait)
    for visitor in came:
        visitor.close()
    return len(came)


def _run_until(settings: Settings, wait: Callable[[], None]) -> None:
    """Run a worker while `wait`, in a thread of its own, does."""
    life_fd, held_fd = os.pipe()
    context = WorkerContext(
        settings=settings,
        door="delivery",
        index=0,
        listeners=(),
        life_fd=life_fd,
        auth_secret=Secret(b""),
    )
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, prepare(settings), context)

    def wait_then_stop() -> None:
        try:
            wait()
        finally:
            loop.call_soon_threadsafe(worker._stopped.set)

    waiting = threading.Thread(target=wait_then_stop)
    waiting.start()
    try:
        loop.run_until_complete(worker.run())
    finally:
        waiting.join()
        worker.close()
        loop.close()
        asyncio.set_event_loop(None)
        os.close(held_fd)
        os.close(life_fd)
