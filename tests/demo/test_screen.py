"""The screen: every door, and commands that can be copied."""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mailserver.demo.academy import DemoService
from mailserver.demo.screen import DEFAULT_FOLDER, creation_bar, greeting, people, program_name
from mailserver.settings.listeners import wanted_listeners

pytestmark = pytest.mark.slow


@pytest.fixture
def page(demo: DemoService, monkeypatch: pytest.MonkeyPatch) -> str:
    """As `make run` shows it, in its default folder, on a narrow terminal."""
    here = replace(demo, folder=DEFAULT_FOLDER)
    return greeting(here, Console(file=io.StringIO(), width=40))


def commands(page: str) -> list[list[str]]:
    """Every command of the page, as the shell would take it apart."""
    joined = page.replace(" \\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if re.match("  (swaks|curl) ", line)]


def test_the_screen_names_every_port(demo: DemoService, page: str) -> None:
    for wanted in wanted_listeners(demo.settings):
        assert re.search(rf"\b{wanted.bind.port}\b", page), wanted.kind.name


def test_it_is_one_screen(page: str) -> None:
    lines = page.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in page


def test_the_commands_are_whole_on_a_narrow_terminal(demo: DemoService, page: str) -> None:
    swaks, curl = commands(page)
    assert {"jmartin", "17E0200001ABC", "var/demo/tls/ca.pem"} <= set(swaks)
    assert curl[-1].startswith("pop3s://localhost:")
    assert "0170705z:Mimosas-Saintes-17" in curl
    assert ".venv/bin/mailserver demo tour\n" in page


def test_a_demo_elsewhere_is_named_in_the_commands(demo: DemoService) -> None:
    there = replace(demo, folder=Path("/srv/my demo"))
    page = greeting(there, Console(file=io.StringIO()), program="mailserver")
    assert "mailserver demo tour --config '/srv/my demo/mailserver.toml'\n" in page
    swaks, curl = commands(page)
    assert "/srv/my demo/tls/ca.pem" in swaks
    assert "/srv/my demo/tls/ca.pem" in curl


def test_a_listener_that_was_closed_is_said_to_be(demo: DemoService) -> None:
    smtp = demo.settings.smtp.model_copy(update={"submissions": ()})
    settings = demo.settings.model_copy(update={"smtp": smtp})
    page = greeting(replace(demo, settings=settings), Console(file=io.StringIO()))
    assert "submissions closed" in page


def test_a_terminal_gets_colours(demo: DemoService) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    assert "\x1b[" in greeting(demo, console)


def test_everybodys_password_is_listed(demo: DemoService) -> None:
    page = people(demo).plain
    for member in demo.cast.members:
        assert re.search(rf"^{member.identifier} +{member.password} ", page, re.MULTILINE)
        assert all(address in page for address in member.addresses)


def test_the_bar_says_how_far_it_is_and_nothing_when_there_is_nothing() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with creation_bar(console) as progress:
        progress(2, 18)
    assert "2/18" in _shown(console)
    quiet = Console(file=io.StringIO(), force_terminal=True, width=80)
    with creation_bar(quiet):
        pass
    assert "accounts" not in _shown(quiet)


def _shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def test_the_program_is_named_as_it_was_typed_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert program_name(".venv/bin/mailserver") == ".venv/bin/mailserver"
    assert program_name("/usr/bin/mailserver") == "mailserver"
