"""What every test may use: programs that may be missing, and the summary that says so."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, settings

# Before rich is imported, as in a process of the service: structlog then writes its tracebacks
# without it; with it, one takes a second.
import mailserver.telemetry.log  # noqa: F401
from tests import programs
from tests.store.postgres import cluster

# Where it is set, each process that a test starts compiles the whole service again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_MEMORY, _ROOM_OCTETS = Path("/dev/shm"), 2 * 1024**3


def _keep_files_in_memory() -> None:
    """Where there is room: most of what a small commit takes is the wait for a disk.

    No test cuts the power for real: those of power cuts look at what is asked of the kernel.
    """
    if "TMPDIR" not in os.environ and _MEMORY.is_mount():
        found = os.statvfs(_MEMORY)
        has_room = found.f_bavail * found.f_frsize >= _ROOM_OCTETS
        if has_room and not found.f_flag & os.ST_NOEXEC:
            os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


_keep_files_in_memory()


def pytest_configure() -> None:
    """Processes that the run starts find its PostgreSQL where this one says."""
    cluster.prepare_run()


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one more than processors, for tests of whole services mostly wait."""
    return len(os.sched_getaffinity(0)) + 1


_WEIGHTS = {"crash": 200, "e2e": 50, "slow": 10}
_SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "default", max_examples=100, deadline=None, suppress_health_check=_SLOW_MACHINE
)
settings.register_profile(
    "fuzz", max_examples=20_000, deadline=None, suppress_health_check=_SLOW_MACHINE
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the person's own shell must not change what a test sees."""
    for name in list(os.environ):
        if name.startswith("MAILSERVER_") or name in {"NOTIFY_SOCKET", "LISTEN_FDS"}:
            monkeypatch.delenv(name)


@pytest.fixture
def tls_files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for mail.a.test and its key, where the settings look by default."""
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued = trustme.CA().issue_cert("mail.a.test", "localhost", "127.0.0.1")
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.touch(mode=0o600)
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several workers take whole files in turn: the longest come first, so that none ends alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        weights: Counter[Path] = Counter()
        for item in items:
            weights[item.path] += _weight(item)
        items.sort(key=lambda item: (-weights[item.path], str(item.path)))


def _weight(item: pytest.Item) -> int:
    """About how long it takes, from what its marks say."""
    longest_s = max((int(mark.args[0]) for mark in item.iter_markers("timeout")), default=0)
    own = [weight for mark, weight in _WEIGHTS.items() if item.get_closest_marker(mark)]
    return max(own, default=1) + longest_s


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say the one line that brings the skipped tests back."""
    reasons = " ".join(str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    packages = programs.packages_wanted(reasons)
    if packages:
        terminalreporter.section("skipped for want of programs")
        terminalreporter.write_line(f"apt-get install {' '.join(packages)}")
