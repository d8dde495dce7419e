"""swaks writes to a list on a running service; two members collect the post over POP3."""

from __future__ import annotations

import subprocess
import time

import pytest

from mailserver.demo.academy import DemoService
from tests.cli.conftest import Run
from tests.clients.academy import PATIENCE_S, Academy
from tests.programs import needs_program

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def command(run: Run, academy: Academy, *words: str) -> None:
    """`mailserver list ...` on the running service."""
    done = run("list", *words, "--config", academy.demo.settings_file)
    assert done.status == 0, done.out + done.err


def swaks(academy: Academy, who: str, to: str, *more: str) -> subprocess.CompletedProcess[str]:
    whole = ["swaks", "--server", "localhost", "--port", str(academy.port("submission")), "--tls"]
    whole += ["--auth", "PLAIN", "--auth-user", who, "--auth-password", academy.password(who)]
    whole += ["--from", academy.address(who), "--to", to, *more]
    return subprocess.run(whole, capture_output=True, timeout=60, text=True)


def wait_for(academy: Academy, who: str, mark: bytes) -> list[bytes]:
    """The messages with that mark, once there is one."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := [one for one in academy.mailbox(who) if mark in one]):
        assert time.monotonic() < deadline_s, f"{who} got nothing"
        time.sleep(0.2)  # a real service: nothing tells us when
    return found


@needs_program("swaks")
def test_swaks_writes_to_a_list_and_two_members_read_it(served: DemoService, run: Run) -> None:
    academy = Academy(served)
    people = [one.identifier for one in academy.demo.cast.members][:3]
    author, other, stranger = people
    domain = academy.demo.settings.service.domains[0]
    to = f"animateurs.tice17@{domain}"
    command(run, academy, "add", to, "--owner", author, "--prefix", "animateurs.tice17")
    command(run, academy, "members", to, "--add", author, "--add", academy.address(other))
    sent = swaks(academy, author, to, "--header", "Subject: Réunion jeudi")
    assert sent.returncode == 0, sent.stdout
    for who in (author, other):
        (got,) = wait_for(academy, who, "Réunion jeudi".encode())
        assert "Subject: [animateurs.tice17] Réunion jeudi\r\n".encode() in got
        assert f"List-Id: <animateurs.tice17.{domain}>\r\n".encode() in got
    refused = swaks(academy, stranger, to)
    assert refused.returncode != 0
    assert "550 5.7.2" in refused.stdout
    command(run, academy, "delete", to, "--yes")
