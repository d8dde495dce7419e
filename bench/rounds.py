"""Alternating rounds over two sides, and the medians of what they gave."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.rows import Row, Sample
from bench.side import Side
from bench.table import Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class SideResult:
    """One side's rounds of one row."""

    label: str
    loads: int
    samples: tuple[Sample, ...]

    @property
    def per_s(self) -> float:
        return statistics.median(sample.per_s for sample in self.samples)

    @property
    def cpu_ms_each(self) -> float:
        return statistics.median(sample.cpu_ms_each for sample in self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """One row.  A side that was not measured is None."""

    key: str
    title: str
    unit: str
    target: float | None
    ours: SideResult | None
    theirs: SideResult | None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: each round compares two neighbours in time."""
        if self.ours is None or self.theirs is None:
            return None
        pairs = zip(self.ours.samples, self.theirs.samples, strict=True)
        return statistics.median(ours.per_s / theirs.per_s for ours, theirs in pairs)

    @property
    def passed(self) -> bool | None:
        if self.ratio is None or self.target is None:
            return None
        return self.ratio >= self.target


def run_row(
    row: Row,
    ours: Side | None,
    theirs: Side | None,
    scale: Scale,
    *,
    on_step: Callable[[str], None],
) -> RowResult:
    """Prepare and size every side, then the rounds: ours, theirs, ours, theirs ...

    on_step: called `count_steps` times, before each step, with what it is.
    """
    sides = [side for side in (ours, theirs) if side is not None]
    loads: dict[str, int] = {}
    for side in sides:
        on_step(f"{row.title}: filling {side.label}")
        row.prepare(side)
        on_step(f"{row.title}: warming up {side.label}")
        loads[side.label] = choose_loads(row, side, scale.round_s)
    samples: dict[str, list[Sample]] = {side.label: [] for side in sides}
    for number in range(1, scale.rounds + 1):
        for side in sides:
            on_step(f"{row.title}: round {number}, {side.label}")
            samples[side.label].append(row.measure(side, loads[side.label]))

    def result(side: Side | None) -> SideResult | None:
        if side is None:
            return None
        label = side.label
        return SideResult(label=label, loads=loads[label], samples=tuple(samples[label]))

    return RowResult(
        key=row.key,
        title=row.title,
        unit=row.unit,
        target=row.target,
        ours=result(ours),
        theirs=result(theirs),
    )


def count_steps(side_count: int, scale: Scale) -> int:
    """How often `run_row` calls its `on_step`."""
    return side_count * (2 + scale.rounds)


def choose_loads(row: Row, side: Side, round_s: float) -> int:
    """As many loads as take about `round_s`, judged by a warm-up; for 0 s a few, unjudged."""
    few = max(row.first_loads // 4, 1)
    if round_s == 0:
        return few
    warm_up = row.measure(side, row.first_loads)
    loads = round(row.first_loads * round_s / warm_up.elapsed_s)
    return max(min(loads, row.max_loads), few)
