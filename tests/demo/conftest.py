"""A demo on ports of its own, made once for the tests that only read it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mailserver.demo.academy import DemoService, create
from mailserver.settings.template import Value
from mailserver.setup.service import HIGH_PORTS
from mailserver.store.ports import Store
from mailserver.store.sqlite.store import open_store


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoService:
    """A complete demo; nothing runs."""
    return create(tmp_path_factory.mktemp("demo") / "academy", more=free_ports())


@pytest.fixture
def store(demo: DemoService) -> Iterator[Store]:
    opened = open_store(demo.settings)
    yield opened
    opened.close()


def free_ports() -> dict[str, Value]:
    """Settings with a port for each listener that was free a moment ago.

    Port 0 would do for the service, but not for the tour, which reads the settings.
    """
    with ExitStack() as held:
        chosen = {key: held.enter_context(socket.socket()) for key in HIGH_PORTS}
        for sock in chosen.values():
            sock.bind(("127.0.0.1", 0))
        return {key: [f"127.0.0.1:{sock.getsockname()[1]}"] for key, sock in chosen.items()}
