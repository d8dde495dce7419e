"""One running demo for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailserver.demo.academy import DemoService, create
from tests.demo.conftest import free_ports
from tests.demo.running import Running


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoService]:
    demo = create(tmp_path_factory.mktemp("served") / "academy", more=free_ports())
    running = Running(demo.folder)
    try:
        yield demo
    finally:
        assert running.stop() == 0
