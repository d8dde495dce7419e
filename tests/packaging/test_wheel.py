"""The wheel is complete: installed into an empty environment, it makes and runs a service."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.cli.test_run import PORTS
from tests.supervisor.service import ports_of, visit_banner

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with what is installed here: no network."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: make test installs it")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("melouvert-*.whl")
    return built


def test_the_wheel_carries_data_and_sql_once_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("mailserver.toml", "demo.toml"):
        assert [name for name in names if name.endswith(wanted)] == [f"mailserver/config/{wanted}"]
    schema = {path.name for path in (ROOT / "mailserver/store/sql/schema").iterdir()}
    assert schema <= {Path(name).name for name in names}
    pages = {f"webmail/templates/{path.name}" for path in (ROOT / "webmail/templates").iterdir()}
    assert pages <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "bench/", "tools/"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheels_data_is_the_checkouts(wheel: Path) -> None:
    carried = zipfile.ZipFile(wheel).read("mailserver/config/mailserver.toml")
    assert carried == (ROOT / "config/mailserver.toml").read_bytes()


@pytest.mark.network
@pytest.mark.timeout(240)
def test_an_empty_environment_makes_and_runs_a_service(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    _install(home / "bin/python", wheel)
    program = home / "bin/mailserver"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    made = subprocess.run(
        [program, "init", "service", "--domain", "a.test", "--high-ports"],
        cwd=elsewhere,
        env=outside,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    running = subprocess.Popen(
        [program, "run", "--config", "service/mailserver.toml"],
        cwd=elsewhere,
        env={**outside, **PORTS},
        stdout=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        ready = next(told for told in map(json.loads, running.stdout) if told["event"] == "ready")
        ports = ports_of(ready)
        assert visit_banner(ports["mx"]).startswith(b"220 ")
        assert visit_banner(ports["pop3"]).startswith(b"+OK ")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
        assert running.returncode == 0
    finally:
        running.kill()
        running.communicate()


def _install(python: Path, wheel: Path) -> None:
    """From the index that pip is set up with; skips where there is none."""
    wanted = python.parent / "requirements.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = (ROOT / "requirements.txt").read_text("utf-8")
    wanted.write_text(f"{lock}\n{wheel} --hash=sha256:{digest}\n", "utf-8")
    # Our own pip, and only the bytecode that the service needs: a third of the time.
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install"]
    pip += ["--quiet", "--disable-pip-version-check", "--retries=1", "--no-compile"]
    done = subprocess.run([*pip, "--require-hashes", "-r", wanted], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install here: {done.stderr.strip().splitlines()[-1]}")
