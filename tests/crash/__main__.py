"""`python -m tests.crash`: kill -9 under load, many times; then ask for every promise.

    --kills N     how many (default 200)
    --seed N      of the load and of the killer (default: from the clock, and printed)
    --keep DIR    work there and leave the store, the journals and the log

Exit status 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.crash.run import CrashPlan, Report, crash, sentences

OUT = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path)
    wanted = parser.parse_args()
    OUT.print(f"seed {wanted.seed}")
    plan = CrashPlan(seed=wanted.seed, kill_count=wanted.kills)
    if wanted.keep is not None:
        wanted.keep.mkdir(parents=True)
        report = _crash(plan, wanted.keep.resolve())
    else:
        with tempfile.TemporaryDirectory() as folder:
            report = _crash(plan, Path(folder))
    for sentence in sentences(report):
        OUT.print(sentence)
    return int(bool(report.breaches))


def _crash(plan: CrashPlan, folder: Path) -> Report:
    columns = (TextColumn("killing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=OUT) as progress:
        task = progress.add_task("kills", total=plan.kill_count)
        return crash(plan, folder, on_kill=lambda: progress.advance(task))


if __name__ == "__main__":
    sys.exit(main())
