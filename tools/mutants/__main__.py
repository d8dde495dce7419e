"""`make mutants`: sample the cores, name the survivors.

    python -m tools.mutants --count 100 --seed 7 --room mailserver/auth

Exit status 1 when a room's tests fail before anything was changed, 2 for a
mistake in what was typed; survivors are for a person to read and fail nothing.
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tools.mutants.changes import changes_in
from tools.mutants.rooms import CORES, modules_of, witnesses
from tools.mutants.trial import Copy, Sample

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Exit status."""
    asked = _asked()
    console = Console()
    try:
        modules = modules_of(ROOT, tuple(asked.room or CORES))
    except ValueError as mistake:
        print(mistake, file=sys.stderr)
        return 2
    samples = _sampled(modules, count=asked.count, seed=asked.seed)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [_copy(Path(folder) / str(number)) for number in range(asked.jobs)]
        failing = [room for room in _rooms(samples) if not copies[0].passes(room)]
        if failing:
            print("tests fail unchanged:", *(str(path.parent) for path in failing), sep="\n  ")
            return 1
        survivors = _tried(samples, copies, console)
    _tell(survivors, samples, asked.seed, console)
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="changes to try")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed samples the same changes"
    )
    parser.add_argument("--room", action="append", help="a folder; all cores where none is named")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at a time")
    return parser.parse_args()


def _sampled(modules: list[Path], *, count: int, seed: int) -> list[Sample]:
    every = [
        Sample(module=module, change=change)
        for module in modules
        if witnesses(ROOT, module)
        for change in changes_in((ROOT / module).read_text("utf-8"))
    ]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    return sorted(chosen, key=lambda sample: (sample.module, sample.change.number))


def _copy(folder: Path) -> Copy:
    folder.mkdir()
    return Copy(ROOT, folder)


def _rooms(samples: list[Sample]) -> list[Path]:
    """One module for each set of tests."""
    return list({sample.module.parent: sample.module for sample in samples}.values())


def _tried(samples: list[Sample], copies: list[Copy], console: Console) -> list[Sample]:
    """The survivors, in the order of the samples."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def survives(sample: Sample) -> bool:
        copy = free.get()
        try:
            return copy.survives(sample)
        finally:
            free.put(copy)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    survivors: list[Sample] = []
    with Progress(*columns, console=console) as bar, ThreadPoolExecutor(len(copies)) as pool:
        task = bar.add_task("changes tried", total=len(samples))
        for sample, survived in zip(samples, pool.map(survives, samples), strict=True):
            bar.advance(task)
            if survived:
                survivors.append(sample)
    return survivors


def _tell(survivors: list[Sample], samples: list[Sample], seed: int, console: Console) -> None:
    table = Table("where", "is", "no test found", title="survivors")
    for sample in survivors:
        change = sample.change
        table.add_row(f"{sample.module}:{change.line}", change.before, change.after)
    if survivors:
        console.print(table)
    found = len(samples) - len(survivors)
    console.print(f"{found} of {len(samples)} changes were found (seed {seed})")


if __name__ == "__main__":
    sys.exit(main())
