"""The unit in config/systemd: what it promises, and what systemd's own tools say of it.

It was tried for real, in a container with systemd as process 1: docs/operating.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailserver.supervisor.master.generation import KILL_MARGIN_S
from mailserver.supervisor.plan import DRAIN_S

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "config" / "systemd" / "melouvert.service"
TEXT = UNIT.read_text("utf-8")
MOST_EXPOSURE = 2.0


def value(key: str) -> str:
    found = re.findall(rf"^{key}=(.*)$", TEXT, re.MULTILINE)
    assert len(found) == 1, key
    return str(found[0])


def test_it_runs_as_a_user_of_its_own_who_may_open_ports_and_nothing_else() -> None:
    assert value("User") == value("Group") == "melouvert"
    assert value("AmbientCapabilities") == value("CapabilityBoundingSet") == "CAP_NET_BIND_SERVICE"
    assert value("NoNewPrivileges") == "yes"


def test_only_the_state_directory_can_be_written_and_only_its_user_enters_it() -> None:
    assert value("ProtectSystem") == "strict"
    assert "ReadWritePaths" not in TEXT
    assert value("WorkingDirectory") == f"/var/lib/{value('StateDirectory')}"
    assert (value("StateDirectoryMode"), value("UMask")) == ("0700", "0077")


def test_a_stop_leaves_time_to_drain_and_tells_the_supervisor_alone() -> None:
    assert float(value("TimeoutStopSec")) > DRAIN_S + KILL_MARGIN_S
    assert value("KillMode") == "mixed"
    assert value("Type") == "notify"


def test_its_settings_are_where_the_docs_make_them() -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    command = value("ExecStart")
    assert (
        command == "/opt/melouvert/bin/mailserver run --config /var/lib/melouvert/mailserver.toml"
    )
    assert "mailserver init /var/lib/melouvert" in page
    assert "config/systemd/melouvert.service" in page


def analyze(*words: str, of: Path) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    command = [program, *words, str(of)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if "Unknown" in done.stderr and "option" in done.stderr:
        pytest.skip("this systemd-analyze is too old")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The same with a program that is there."""
    path = tmp_path / UNIT.name
    path.write_text(TEXT.replace("/opt/melouvert/bin/mailserver", sys.executable), "utf-8")
    return path


def test_systemd_finds_nothing_to_say(unit: Path) -> None:
    assert analyze("verify", of=unit) == ""


def test_systemd_calls_it_little_exposed(unit: Path) -> None:
    said = analyze("security", "--offline=true", of=unit)
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSURE
