"""One running demo for all programs, whose log is read when it has stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailserver.demo.academy import create
from tests.clients.academy import Academy, complaints
from tests.demo.conftest import free_ports
from tests.demo.running import Running


@pytest.fixture(scope="session")
def academy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Academy]:
    """The demo, running.  At the end its log must hold no warning, no error, no refusal."""
    demo = create(tmp_path_factory.mktemp("clients") / "academy", more=free_ports())
    running = Running(demo.folder)
    try:
        yield Academy(demo)
    finally:
        assert running.stop() == 0
    assert complaints(running.log) == []
