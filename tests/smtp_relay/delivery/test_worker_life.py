"""The delivery door when its parent dies: what was answered is written down before it ends."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mailserver.queue.copies import CopyState
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.supervisor.contract import WorkerContext
from mailserver.values.secret import Secret
from smtp_relay.delivery.worker import Worker, prepare
from tests.smtp_relay.delivery.peers import Peer, Wire
from tests.store.letters import accept
from tests.store.queued import outgoing


def settings_of(folder: Path, hop_port: int) -> Settings:
    """Everything leaves by a smarthost on this machine."""
    route = {
        "name": "out",
        "via": "smarthost",
        "host": "127.0.0.1",
        "port": hop_port,
        "tls": "none",
    }
    tree: dict[str, Any] = {
        "service": {"domain": "a.test", "hostname": "mail.a.test"},
        "store": {"path": folder / "store"},
        "delivery": {"dane": False, "mta_sts": False},
        "routes": [route],
    }
    return Settings.model_validate(tree)


@pytest.mark.slow
def test_an_answer_that_comes_when_the_parent_is_dead_is_written_down(tmp_path: Path) -> None:
    life_fd, parents_end = os.pipe()

    async def answer_to_an_orphan(wire: Wire) -> None:
        await wire.greet()
        await wire.envelope()
        await wire.message()
        os.close(parents_end)
        await wire.say("250 2.0.0 taken")
        await wire.rest()

    async def story() -> CopyState:
        async with Peer(answer_to_an_orphan) as peer:
            settings = settings_of(tmp_path, peer.port)
            letter = outgoing(hop="route:out", at_s=time.time())
            store = open_store(settings)
            accept(store.writes, letter)
            worker = Worker(
                asyncio.get_running_loop(),
                prepare(settings),
                WorkerContext(
                    settings=settings,
                    door="delivery",
                    index=0,
                    listeners=(),
                    life_fd=life_fd,
                    auth_secret=Secret(b""),
                ),
            )
            try:
                await worker.run()
            finally:
                worker.close()
            journey = store.history.journey(letter.accept_id)
            store.close()
            assert journey is not None
            return journey.copies[0].state

    try:
        assert asyncio.run(story()) is CopyState.RELAYED
    finally:
        os.close(life_fd)
