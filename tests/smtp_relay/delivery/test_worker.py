"""The delivery door as a process runs it: what it must not wait for."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from mailserver.settings.model import Settings
from mailserver.store.sqlite.store import open_store
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
        accept(store, outgoing(hop="route:out", at_s=time.time()))
        store.close()
        assert _visits(settings, hop) == 1


def _visits(settings: Settings, hop: socket.socket) -> int:
    """Run a worker until somebody came to `hop`, or nobody did for long; how many came."""
    came: list[socket.socket] = []
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

    def wait() -> None:
        try:
            came.append(hop.accept()[0])
        except TimeoutError:
            return
        finally:
            loop.call_soon_threadsafe(worker._stopped.set)
        came[0].close()

    waiting = threading.Thread(target=wait)
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
    return len(came)
