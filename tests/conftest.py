"""What every test may use: programs that may be missing, and the summary that says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, settings

from tests import programs

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say the one line that brings the skipped tests back."""
    reasons = " ".join(str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    packages = programs.packages_wanted(reasons)
    if packages:
        terminalreporter.section("skipped for want of programs")
        terminalreporter.write_line(f"apt-get install {' '.join(packages)}")
