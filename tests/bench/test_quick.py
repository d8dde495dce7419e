"""The whole bench in its short form: it starts, measures, counts every copy, and cleans up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench import ours, packages

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_quick_bench_measures_every_row(tmp_path: Path) -> None:
    packages.extend_path()
    missing = packages.explain_missing() or ours.explain_missing()
    if missing:
        pytest.skip(missing)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)  # Postfix and Dovecot run as users of their own
        command = [sys.executable, "-m", "bench", "--quick", "--out", str(tmp_path)]
        status, said = _run([*command, "--folder", folder])
        assert status == 0, said
        assert not list(Path(folder).iterdir())
    report = json.loads((tmp_path / "latest.json").read_text("utf-8"))
    assert all(row["ratio"] is not None for row in report["rows"])
    assert len(report["figures"]) == 10


def _run(command: list[str]) -> tuple[int, str]:
    """(exit status, what it said); on SIGTERM it stops its services and cleans up."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.terminate()
        said, _ = process.communicate(timeout=40)
    return process.returncode, said


def test_an_unknown_row_is_named_with_the_ones_that_exist() -> None:
    command = [sys.executable, "-m", "bench", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "kept" in done.stderr
