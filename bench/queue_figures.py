"""Figures of a large queue: its cost, its start, and whether a slow hop holds up others."""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.memory import read_pss_mib
from bench.ours import Ours
from bench.process import run
from bench.relay import RelayRow
from bench.report import Figure
from bench.rows import settle
from bench.sink import Sink
from bench.table import Scale

MAX_COST_RATIO = 1.5
MAX_START_S = 2.0
MAX_AGENT_MIB = 150.0
MIN_OTHERS = 0.9

SLOW_HOP = "route:lent"
MUTE_HOP = "route:muet"
DOMAINS = 500
"""Next hops that a name server would have to find, and there is none."""


def measure_queue_cost(empty: Ours, full: Ours, *, batches: int) -> list[Figure]:
    """Both services are stopped; only their stores are used."""
    costs = [_cost(one.config, batches) for one in (empty, full)]
    return [
        Figure(
            key="queue",
            title=f"{what} 100 copies with a large queue, against an empty one",
            value=costs[1][key] / costs[0][key],
            unit=f"times ({costs[0][key]:.1f} ms empty, {costs[1][key]:.1f} ms)",
            limit=f"at most {MAX_COST_RATIO:g} times",
            passed=costs[1][key] / costs[0][key] <= MAX_COST_RATIO,
        )
        for what, key in (("enqueue", "enqueue_ms"), ("lease", "lease_ms"))
    ]


def _cost(config: Path, batches: int) -> dict[str, float]:
    said: dict[str, float] = json.loads(
        run([sys.executable, "-m", "bench.queue_cost", str(config), str(batches)], timeout_s=300)
    )
    return said


def measure_queue_start(full: Ours, count: int, *, work_s: float) -> list[Figure]:
    """From the command to answering ports; then the largest process, once it has worked."""
    began_s = time.perf_counter()
    full.start()
    start_s = time.perf_counter() - began_s
    time.sleep(work_s)
    largest_mib = max(read_pss_mib([pid]) for pid in full.find_processes())
    return [
        Figure(
            key="queue",
            title=f"start with {count:,} queued copies: from the command to answering ports",
            value=start_s,
            unit="s",
            limit=f"under {MAX_START_S:g} s",
            passed=start_s < MAX_START_S,
        ),
        Figure(
            key="queue",
            title=f"the largest process after {work_s:g} s with {count:,} queued copies, PSS",
            value=largest_mib,
            unit="MiB",
            limit=f"under {MAX_AGENT_MIB:g} MiB",
            passed=largest_mib < MAX_AGENT_MIB,
        ),
    ]


def measure_slow_hop(ours: Ours, row: RelayRow, hop: str, *, scale: Scale) -> Figure:
    """The rate to a good hop beside a slow one with many copies, against without it."""
    loads = 5000 if scale.round_s else 100
    ratios = []
    for _ in range(scale.rounds):
        ours.queue_command("suspend", hop)
        time.sleep(scale.engage_s)
        settle(ours, scale.settle_s)
        alone = row.measure(ours, loads).per_s
        ours.queue_command("resume", hop)
        time.sleep(scale.engage_s)
        beside = row.measure(ours, loads).per_s
        ratios.append(beside / alone)
    what = "never answers" if hop == MUTE_HOP else "takes 5 s for each message"
    return Figure(
        key="slow-hop",
        title=f"rate to others beside a hop that {what}, against without it",
        value=statistics.median(ratios),
        unit="times",
        limit=f"at least {MIN_OTHERS:g} times",
        passed=statistics.median(ratios) >= MIN_OTHERS,
    )


@contextmanager
def open_bad_hops() -> Iterator[tuple[int, int]]:
    """(port of a hop that waits 5 s at each DATA, port of one that never says a word)."""
    slow = Sink(data_delay_s=5)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as mute:
        try:
            yield slow.port, int(mute.getsockname()[1])
        finally:
            slow.stop()
