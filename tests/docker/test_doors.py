"""Every door of `DOOR_MODULES` has its container in docker-compose.yml."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mailserver.keys.table import NEEDED, KeyKind
from mailserver.supervisor.doors import DOOR_MODULES
from mailserver.supervisor.master.generation import KILL_MARGIN_S
from mailserver.supervisor.plan import DRAIN_S
from tests.cli.test_first_signals import ENTRY

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
MOUNTS = {
    KeyKind.TLS: {"tls", "authority"},
    KeyKind.DKIM: {"dkim"},
    KeyKind.NUMEN: {"numen"},
    KeyKind.SMARTHOST: {"smarthosts"},
}


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
    assert set(services()) == {*DOOR_MODULES, "init", "admin", "demo"}


def test_only_the_web_waits_for_a_profile() -> None:
    """It is the only door that is closed until it has a listener."""
    held = {name for name, text in services().items() if "profiles:" in text}
    assert held == {"web", "admin", "demo"}


@pytest.mark.parametrize("door", DOOR_MODULES)
def test_a_container_gets_the_keys_of_the_table_and_no_others(door: str) -> None:
    line = re.search(r"^    volumes: \[(.*)\]$", services()[door], re.MULTILINE)
    assert line is not None
    wanted = {"settings", "mail"}.union(*(MOUNTS[kind] for kind in NEEDED[door]))
    assert {name.removeprefix("*") for name in line[1].split(", ")} == wanted


def test_what_a_door_mounts_is_read_only_but_for_the_mail() -> None:
    mounts = dict(re.findall(r"^  - &(\w+) (\S+)$", COMPOSE, re.MULTILINE))
    assert set(mounts) == {"settings", "mail"}.union(*MOUNTS.values())
    assert [name for name, mount in mounts.items() if not mount.endswith(":ro")] == ["mail"]


def test_every_mounted_folder_is_in_the_image_for_its_owner() -> None:
    """A new volume takes the owner of the folder that it covers."""
    made = re.search(
        r"install -d -o melouvert -g melouvert -m 700 ((?:\S+ |\\\n +)+\S+)", DOCKERFILE
    )
    assert made is not None
    folders = {f"/var/lib/{name}" for name in made[1].split() if name != "\\"}
    mounted = re.findall(r":(/var/lib/[\w/-]+)(?::ro)?$", COMPOSE, re.MULTILINE)
    assert set(mounted) == folders


def test_the_image_stands_on_what_the_operator_names_by_its_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases == ["${BASE_IMAGE}", "${BASE_IMAGE}"]
    default = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"BASE_IMAGE: \$\{BASE_IMAGE:-(\S+)\}", COMPOSE) == default
    example = (ROOT / ".env.example").read_text("utf-8")
    shown = re.findall(r"^# BASE_IMAGE=(.+)$", example, re.MULTILINE)
    assert [name.startswith(f"{default[0]}@sha256:") for name in shown] == [True]


def test_process_1_misses_no_signal_from_its_first_instant() -> None:
    """What comes before the program has handlers is blocked, and waits."""
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[-1])
    assert entry == [*ENTRY, "mailserver"]


def test_a_container_may_drain_before_it_is_killed() -> None:
    grace = re.search(r"^  stop_grace_period: (\d+)s$", COMPOSE, re.MULTILINE)
    assert grace is not None
    assert float(grace[1]) > DRAIN_S + KILL_MARGIN_S
