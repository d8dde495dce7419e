"""A member outside leaves a list by the button of their mail program: a real service, with curl."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from mailserver.demo.academy import DemoService
from mailserver.dkim.keys import load_key
from tests.cli.conftest import Run
from tests.clients.academy import PATIENCE_S, Academy
from tests.dkim.verifier import verdicts
from tests.programs import needs_program
from tests.service.elsewhere import DOMAIN, Elsewhere
from tests.service.test_lists import command, swaks

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

PAUL, ZOE = f"paul@{DOMAIN}", f"zoe@{DOMAIN}"
PROMISE = re.compile(
    rb"\r\nList-Unsubscribe: <(https://[^>]+)>,\r\n <mailto:[^>]+>\r\n"
    rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)


def curl(academy: Academy, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    """As a mail program's own server posts it (RFC 8058 §3.2), but for the name server."""
    name = url.removeprefix("https://").partition("/")[0]
    whole = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "30"]
    whole += ["--cacert", academy.authority, "--resolve", f"{name}:127.0.0.1", *more, url]
    return subprocess.run(whole, capture_output=True, timeout=60, text=True)


def wait_for(elsewhere: Elsewhere, who: str, mark: bytes) -> bytes:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := elsewhere.got(who, mark)):
        assert time.monotonic() < deadline_s, f"{who} got nothing"
        time.sleep(0.1)  # a real service: nothing tells us when
    (octets,) = found
    return octets


@needs_program("swaks")
@needs_program("curl")
def test_one_click_takes_one_member_off_and_no_other(
    served: DemoService, elsewhere: Elsewhere, run: Run
) -> None:
    academy = Academy(served)
    author = next(one.identifier for one in academy.demo.cast.members)
    to = f"sorties.tice17@{academy.demo.settings.service.domains[0]}"
    command(run, academy, "add", to, "--owner", author)
    command(run, academy, "members", to, "--add", author, "--add", PAUL, "--add", ZOE)
    assert swaks(academy, author, to, "--header", "Subject: marais").returncode == 0
    links = {}
    for who in (PAUL, ZOE):
        octets = wait_for(elsewhere, who, b"marais")
        assert verdicts(octets, _zone(academy)) == [True, True]
        (link,) = PROMISE.findall(octets)
        links[who] = link.decode("ascii")
    assert links[PAUL] != links[ZOE]

    asked = curl(academy, links[PAUL], "--data", "List-Unsubscribe=One-Click")
    assert asked.returncode == 0, asked.stdout + asked.stderr

    assert swaks(academy, author, to, "--header", "Subject: estran").returncode == 0
    wait_for(elsewhere, ZOE, b"estran")  # whose copy is written behind Paul's, where there is one
    assert elsewhere.got(PAUL, b"estran") == []


def _zone(academy: Academy) -> dict[str, str]:
    """What `mailserver config dns` publishes of the keys."""
    settings = academy.demo.settings
    keys = [load_key(settings.dkim.folder, name) for name in settings.dkim.selectors]
    domain = settings.service.domains[0]
    return {f"{key.selector}._domainkey.{domain}": key.record() for key in keys}
