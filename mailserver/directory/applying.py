"""Making a plan true, slice by slice, and taking it back.

The run and how far it has come are in the store, in the same transaction as
each slice: an apply that died goes on at `run.done`, with the same plan, which
its digest names.  A conflict is counted as done; it is told at once, so that
what was told before a crash is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mailserver.directory.deciding.plan import PlanStep
from mailserver.directory.imports import Imports
from mailserver.store.ports.imports import ImportRun

SLICE: Final = 100
"""Changes of one transaction: others who write wait for one of these at most."""
_READ: Final = 1_000

Progress = Callable[[int], None]
"""Called with how many changes one more slice has dealt with."""
Tell = Callable[[list[tuple[PlanStep, str]]], None]
"""Called with the conflicts of a slice: each step, and why in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    run: ImportRun
    done_count: int  # by this call
    conflict_count: int
    resumed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    done_count: int
    conflicts: tuple[str, ...]


class LaterRuns(Exception):
    """Others came after that one and go first; nothing was done.  `runs`: the latest first."""

    def __init__(self, runs: Sequence[ImportRun]) -> None:
        super().__init__(f"the import {runs[0].run_id} came later")
        self.runs = tuple(runs)


class OtherRun(Exception):
    """Another import stands half applied; nothing was done.  `run` says which."""

    def __init__(self, run: ImportRun) -> None:
        super().__init__(f"the import {run.run_id} stopped at {run.done} of {run.total}")
        self.run = run


def apply_steps(
    store: Imports,
    steps: Sequence[PlanStep],
    *,
    digest: str,
    by_whom: str,
    quarantine_s: float,
    progress: Progress,
    tell: Tell,
    clock: Callable[[], float] = time.time,
) -> Applied:
    """
    Raises:
        OtherRun: first that one must be ended or taken back.
    """
    last = store.last_import()
    if last is not None and last.state != "applied" and last.digest != digest:
        raise OtherRun(last)
    run = store.begin_import(by_whom=by_whom, digest=digest, total=len(steps), now_s=clock())
    conflict_count, resumed_at = 0, run.done
    progress(resumed_at)
    for start in range(resumed_at, len(steps), SLICE):
        part = steps[start : start + SLICE]
        changes = [step.change for step in part]
        answers = store.apply_changes(run.run_id, changes, now_s=clock(), quarantine_s=quarantine_s)
        pairs = zip(part, answers, strict=True)
        conflicts = [(step, answer.words) for step, answer in pairs if answer is not None]
        if conflicts:
            tell(conflicts)
        conflict_count += len(conflicts)
        progress(len(part))
    store.end_import(run.run_id)
    return Applied(
        run=run,
        done_count=len(steps) - resumed_at,
        conflict_count=conflict_count,
        resumed_at=resumed_at,
    )


def count_undo(store: Imports, run: ImportRun) -> int:
    """How many changes an undo would take back."""
    return len(_numbers(store, run))


def undo_run(
    store: Imports,
    run: ImportRun,
    *,
    quarantine_s: float,
    progress: Progress,
    clock: Callable[[], float] = time.time,
) -> Undone:
    """The last change first.  Goes on where an earlier undo of the same run stopped.

    Raises:
        LaterRuns: they go first.
        StoreUnavailable: it was taken back before.
    """
    if later := store.begin_undo(run.run_id):
        raise LaterRuns(later)
    numbers = _numbers(store, run)[::-1]
    conflicts: list[str] = []
    for start in range(0, len(numbers), SLICE):
        part = numbers[start : start + SLICE]
        answers = store.undo_changes(run.run_id, part, now_s=clock(), quarantine_s=quarantine_s)
        conflicts += [answer.words for answer in answers if answer is not None]
        progress(len(part))
    store.end_import(run.run_id)
    return Undone(done_count=len(numbers) - len(conflicts), conflicts=tuple(conflicts))


def _numbers(store: Imports, run: ImportRun) -> list[int]:
    numbers: list[int] = []
    while page := store.read_changes(run.run_id, after=numbers[-1] if numbers else 0, limit=_READ):
        numbers += [number for number, _ in page]
    return numbers
