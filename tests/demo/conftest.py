"""A demo on ports of its own, made once for the tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailserver.demo.academy import DemoService, create
from mailserver.settings.template import Value
from mailserver.setup.service import HIGH_PORTS
from mailserver.store.open import open_store
from mailserver.store.ports.store import Store
from tests.ports import find_ports


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
    ports = zip(HIGH_PORTS, find_ports(len(HIGH_PORTS)), strict=True)
    return {key: [f"127.0.0.1:{port}"] for key, port in ports}
