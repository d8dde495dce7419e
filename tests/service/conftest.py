"""One running demo for all tests of this folder, with its web door, and a server elsewhere.

They run to the end of the session: other folders' tests may come between ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailserver.demo.academy import DemoService, create
from mailserver.settings.template import Value
from tests.cli.conftest import run
from tests.demo.conftest import free_ports
from tests.demo.running import Running
from tests.ports import find_ports
from tests.service.elsewhere import DOMAIN, Elsewhere

__all__ = ["run"]

ROUTE = """
[[routes]]
name = "elsewhere"
recipient_domains = ["{domain}"]
via = "smarthost"
host = "127.0.0.1"
port = {port}
tls = "none"
"""


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Elsewhere]:
    server = Elsewhere()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, elsewhere: Elsewhere) -> Iterator[DemoService]:
    (port,) = find_ports(1)
    web: dict[str, Value] = {
        "web.https": [f"127.0.0.1:{port}"],
        "web.url": f"https://mail.ac-exemple.fr:{port}",
    }
    demo = create(tmp_path_factory.mktemp("served") / "academy", more=free_ports() | web)
    with demo.settings_file.open("a", encoding="utf-8") as settings:
        settings.write(ROUTE.format(domain=DOMAIN, port=elsewhere.port))
    running = Running(demo.folder)
    try:
        yield demo
    finally:
        assert running.stop() == 0
