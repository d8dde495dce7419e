"""What is printed at the end: a row for each room, a line for each survivor."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.mutants.rooms import room_of
from tools.mutants.trial import End, Sample

SURVIVALS = (End.SURVIVED, End.NOT_RUN)
_MOST_OCTETS = 160  # of an expression: longer ones are cut, and the line says where they are


def tell(results: Sequence[tuple[Sample, End]], *, root: Path, seed: int, console: Console) -> None:
    """Print the table."""
    by_room: defaultdict[Path, Counter[End]] = defaultdict(Counter)
    for sample, end in results:
        by_room[room_of(root, sample.module)][end] += 1
    table = Table("room", "changes", "found", "hung", "survived", "run by no test")
    for room, ends in sorted(by_room.items()):
        table.add_row(str(room), *map(str, _row(ends)))
    if len(by_room) > 1:
        table.add_row("all", *map(str, _row(sum(by_room.values(), Counter()))), end_section=True)
    console.print(table)
    found = sum(end not in SURVIVALS for _, end in results)
    console.print(f"{found} of {len(results)} changes were found (seed {seed})")


def _row(ends: Counter[End]) -> tuple[int, ...]:
    """hung ones are among the found, those that no test runs among the survivors"""
    survived = ends[End.SURVIVED] + ends[End.NOT_RUN]
    found = ends[End.FOUND] + ends[End.HUNG]
    return ends.total(), found, ends[End.HUNG], survived, ends[End.NOT_RUN]


def line_of(sample: Sample, end: End) -> str:
    """`file:line: before -> after`, of a survivor."""
    change = sample.change
    note = "  (no test runs it)" if end is End.NOT_RUN else ""
    return f"{sample.module}:{change.line}: {_cut(change.before)} -> {_cut(change.after)}{note}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_OCTETS else f"{line[:_MOST_OCTETS]} ..."
