"""`make mutants`: sample the cores, name the survivors.

    python -m tools.mutants --count 100 --seed 7 --room mailserver/auth
    python -m tools.mutants --count 0 --room mailserver/lists/loops.py

Exit status 1 when a room's tests fail before anything was changed, 2 for a
mistake in what was typed; survivors are for a person to read and fail nothing.
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.mutants.changes import changes_in
from tools.mutants.report import SURVIVALS, line_of, tell
from tools.mutants.rooms import CORES, modules_of, witnesses
from tools.mutants.trial import Copy, End, RoomFails, Sample

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Exit status."""
    asked = _asked()
    console = Console(soft_wrap=True)
    try:
        modules = modules_of(ROOT, tuple(asked.room or CORES))
    except ValueError as mistake:
        print(mistake, file=sys.stderr)
        return 2
    samples = _sampled(modules, count=asked.count, seed=asked.seed)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [
            _copy(Path(folder) / str(number), is_quick=asked.quick) for number in range(asked.jobs)
        ]
        try:
            ends = list(_tried(samples, copies, console))
        except RoomFails as room:
            print(f"tests fail unchanged: {room}", file=sys.stderr)
            return 1
        finally:
            for copy in copies:
                copy.close()
    tell(list(zip(samples, ends, strict=True)), root=ROOT, seed=asked.seed, console=console)
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--count", type=int, default=60, help="changes to try; 0: every one")
    add("--seed", type=int, default=1, help="the same seed samples the same changes")
    add("--room", action="append", help="a folder or a module; all cores where none is named")
    add("--jobs", type=int, default=2, help="how many are tried at a time")
    add("--quick", action="store_true", help="do not show survivors to the whole room")
    return parser.parse_args()


def _sampled(modules: list[Path], *, count: int, seed: int) -> list[Sample]:
    every = [
        Sample(module=module, change=change)
        for module in modules
        if witnesses(ROOT, module)
        for change in changes_in((ROOT / module).read_text("utf-8"))
    ]
    chosen = random.Random(seed).sample(every, min(count or len(every), len(every)))
    return sorted(chosen, key=lambda sample: (sample.module, sample.change.number))


def _copy(folder: Path, *, is_quick: bool) -> Copy:
    return Copy(ROOT, folder, is_quick=is_quick)


def _tried(samples: list[Sample], copies: list[Copy], console: Console) -> Iterator[End]:
    """What became of each; survivors are named as they are found."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def end_of(sample: Sample) -> End:
        copy = free.get()
        try:
            return copy.end_of(sample)
        finally:
            free.put(copy)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar, ThreadPoolExecutor(len(copies)) as pool:
        task = bar.add_task("changes tried", total=len(samples))
        trials = [pool.submit(end_of, sample) for sample in samples]
        try:
            for sample, trial in zip(samples, trials, strict=True):
                end = trial.result()
                if end in SURVIVALS:
                    console.print(line_of(sample, end), highlight=False, markup=False)
                bar.advance(task)
                yield end
        finally:
            for trial in trials:
                trial.cancel()


if __name__ == "__main__":
    sys.exit(main())
