"""Twenty seconds of kill -9 at random instants, under load (`make crash` does it longer)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.crash.family import Role
from tests.crash.run import CrashPlan, crash, sentences

DURATION_S = 20.0


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_promise_is_broken_by_kills_at_random_instants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(time.time())
    print(f"seed {seed}")  # shown when the test fails
    report = crash(CrashPlan(seed=seed, duration_s=DURATION_S), tmp_path, on_kill=lambda: None)
    print(*sentences(report), sep="\n")
    assert report.breaches == []
    assert report.kills.total() > 1
    assert report.kills[Role.AGENT.value] > 0
    assert report.promised_count > 0
    assert report.removal_count > 0
    assert report.relayed_count > 0
    assert report.returned_count > 0
    assert report.report_count > 0
