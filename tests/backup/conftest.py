"""A service with everything that a backup must hold, and its backup."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from mailserver.routing.srs import open_srs_key
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.store import Store
from mailserver.values.message import FiledBody
from tests.cli.conftest import Run, new_service, run, service
from tests.store.letters import accept, letter_to, person
from tests.store.queued import outgoing

__all__ = ["new_service", "run", "service"]

LARGE = b"Subject: gros\r\n\r\n" + b"0123456789abcdef" * 30_000 + b"\r\n"
NUMEN = "17E0200001ABC"
ROUTE = """
[[routes]]
name = "provider"
recipient_domains = ["example.net"]
via = "smarthost"
host = "relay.example.net"
user_name = "a"
password_file = "provider-password.txt"
"""


def filed(store: Store, octets: bytes) -> FiledBody:
    spool = store.bodies.open_spool()
    spool.write(octets)
    return spool.commit()


@pytest.fixture
def full(service: Path, run: Run) -> Path:
    """The settings file of a service with people, mail of all kinds, a route with a password."""
    home = service.parent
    (home / "provider-password.txt").write_text("geheim\n")
    (home / "provider-password.txt").chmod(0o600)
    (home / "aliases.toml").write_text('[natures.ecole]\nwords = ["a"]\npattern = "e-{town}"\n')
    text = service.read_text("utf-8").replace('#alias_rules = ""', 'alias_rules = "aliases.toml"')
    service.write_text(text + ROUTE, "utf-8")
    add = ("account", "add", "pdurand", "--address", "paul.durand@a.test", "--name", "Paul")
    assert run(*add, "--numen-stdin", "--config", service, stdin=NUMEN.encode()).status == 0
    settings = load_settings(service)
    open_srs_key(settings.store.path)
    with closing(open_store(settings)) as store:
        box = person(store, "jmartin", addresses=["jeanne@a.test"]).inbox_id
        accept(
            store.writes,
            letter_to(box),
            letter_to(box, body=filed(store, LARGE)),
            outgoing("x@b.test"),
        )
    return service


@pytest.fixture
def saved(full: Path, run: Run, tmp_path: Path) -> Path:
    """A backup of it; its key is in `key`."""
    to = tmp_path / "saved"
    said = run("backup", to, "--numen-key", tmp_path / "key", "--config", full)
    assert said.status == 0, said.err
    return to
