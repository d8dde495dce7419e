"""Every door of `DOOR_MODULES` has its container in docker-compose.yml."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mailserver.supervisor.doors import DOOR_MODULES
from mailserver.supervisor.generation import KILL_MARGIN_S
from mailserver.supervisor.plan import DRAIN_S
from tests.cli.test_first_signals import ENTRY

COMPOSE = (Path(__file__).parents[2] / "docker-compose.yml").read_text("utf-8")


def services() -> dict[str, str]:
    """Name -> what stands below it; by indentation, as the file is ours."""
    part = COMPOSE.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    names = re.split(r"^  (\w+):\n", part, flags=re.MULTILINE)[1:]
    return dict(zip(names[::2], names[1::2], strict=True))


@pytest.mark.parametrize("door", DOOR_MODULES)
def test_every_door_has_a_service_and_a_health_check(door: str) -> None:
    service = services()[door]
    assert "<<: *door" in service
    assert f"command: [run, --door, {door}]" in service
    assert f"test: [CMD, mailserver, status, --door, {door}]" in service


def test_nothing_is_served_that_is_no_door() -> None:
    assert set(services()) == {*DOOR_MODULES, "init", "demo"}


def test_only_the_web_waits_for_a_profile() -> None:
    """It is the only door that is closed until it has a listener."""
    held = {name for name, text in services().items() if "profiles:" in text}
    assert held == {"web", "demo"}


def test_process_1_misses_no_signal_from_its_first_instant() -> None:
    """What comes before the program has handlers is blocked, and waits."""
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text("utf-8")
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", dockerfile, re.MULTILINE)[-1])
    assert entry == [*ENTRY, "mailserver"]


def test_a_container_may_drain_before_it_is_killed() -> None:
    grace = re.search(r"^  stop_grace_period: (\d+)s$", COMPOSE, re.MULTILINE)
    assert grace is not None
    assert float(grace[1]) > DRAIN_S + KILL_MARGIN_S
