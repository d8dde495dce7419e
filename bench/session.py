"""One run of the bench: start the services that the chosen rows need, measure, stop them.

Everything that is written lies in one folder, made for the run and removed after it.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import figures, lists_figure, queue_figures
from bench.cpu import read_machine_busy_s
from bench.disk import Disk, look_at_disk
from bench.ours import Ours
from bench.peer import Peer
from bench.relay import RelayRow, make_relay_rows
from bench.report import Figure
from bench.rounds import RowResult, count_steps, run_row
from bench.rows import Row
from bench.side import Side
from bench.sink import Sink
from bench.table import QUICK, Scale, make_groups, make_rows

BIG_NAME = "grande"
SCALING_TITLE = "N processes a door (ours) against one (theirs): "
SCALING_KEYS = ("kept", "login")
OTHERS_NOTE = (
    "Everything else on the machine, the kernel included, kept {cores:.2f} cores busy "
    "on average: measure on a machine where that is near 0"
)
FIGURE_KEYS = ("rest", "memory", "big-mailbox", "queue", "slow-hop", "list")

LIST_MEMBERS = 50_000

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, and against what."""

    scale: Scale
    rows: tuple[Row, ...]
    scaling: tuple[Row, ...]  # our default number of processes against one
    figures: tuple[str, ...]
    with_ours: bool
    with_peer: bool

    @property
    def step_count(self) -> int:
        rows = len(self.rows) * count_steps(self.with_ours + self.with_peer, self.scale)
        return rows + len(self.scaling) * count_steps(2, self.scale) + len(self.figures)


def make_plan(scale: Scale, *, only: Sequence[str], with_ours: bool, with_peer: bool) -> Plan:
    """`only`: keys of rows and figures; empty for all."""

    def chosen(key: str) -> bool:
        return not only or key in only

    scaling = make_scaling_rows(scale) if with_ours else ()
    return Plan(
        scale=scale,
        rows=tuple(row for row in _every_row(scale) if chosen(row.key)),
        scaling=tuple(row for row in scaling if chosen(row.key)),
        figures=tuple(key for key in FIGURE_KEYS if with_ours and chosen(key)),
        with_ours=with_ours,
        with_peer=with_peer,
    )


def make_scaling_rows(scale: Scale) -> tuple[Row, ...]:
    """The same work, but N processes of ours against one: never slower."""
    return tuple(
        replace(row, key=f"scaling-{row.key}", title=f"{SCALING_TITLE}{row.title}", target=1.0)
        for row in make_rows(scale)
        if row.key in SCALING_KEYS
    )


def _every_row(scale: Scale) -> list[Row]:
    return [*make_rows(scale), *make_relay_rows(scale)]


def all_keys(scale: Scale = QUICK) -> list[str]:
    rows = [*_every_row(scale), *make_scaling_rows(scale)]
    return [*(row.key for row in rows), *FIGURE_KEYS]


@contextmanager
def open_folder(parent: Path) -> Iterator[Path]:
    """A folder that the peer's users may enter; gone afterwards, with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="melouvert-bench-", dir=parent))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class Session:
    """The services of one run.  Each starts when the first row asks for it."""

    plan: Plan
    folder: Path
    on_step: OnStep
    _stack: ExitStack
    _ours: Ours | None = None
    _relaying: dict[bool, Ours] = field(default_factory=dict)
    _one: Ours | None = None
    _peer: Peer | None = None

    def run_rows(self) -> list[RowResult]:
        found = []
        for row in self.plan.rows:
            ours = self._open_ours_for(row) if self.plan.with_ours else None
            peer = self.open_peer() if self.plan.with_peer else None
            found.append(self._run(row, ours, peer))
        found += [self._run(row, self.open_ours(), self.open_one()) for row in self.plan.scaling]
        return found

    def run_figures(self) -> list[Figure]:
        """Before any other load: heaps that have grown once would hide a peak.

        Memory at rest comes first: a second service of ours would share pages with the first.
        """
        found = []
        if "rest" in self.plan.figures:
            self.on_step("memory at rest")
            found.append(figures.measure_rest(self.open_ours()))
        if "memory" in self.plan.figures:
            self.on_step("memory of uploads")
            found.append(figures.measure_uploads(self.open_one()))
        if "big-mailbox" in self.plan.figures:
            self.on_step("a big mailbox")
            count = self.plan.scale.big_mailbox
            found.append(figures.measure_big_mailbox(self.open_one(), BIG_NAME, count))
        if "queue" in self.plan.figures:
            self.on_step("a large queue")
            found += self._measure_queue(self.plan.scale)
        if "slow-hop" in self.plan.figures:
            self.on_step("slow and mute next hops")
            found += self._measure_slow_hops(self.plan.scale)
        if "list" in self.plan.figures:
            self.on_step("a large list")
            count = LIST_MEMBERS if self.plan.scale.round_s else LIST_MEMBERS // 100
            found.append(lists_figure.measure_list(self.folder / "list", count))
        return found

    def _measure_queue(self, scale: Scale) -> list[Figure]:
        empty, full = (
            Ours(self.folder / label, (), label=label) for label in ("queue-empty", "queue-full")
        )
        for one in (empty, full):
            self._stack.callback(one.stop)
            one.configure()
        hops = [f"d{number}.example" for number in range(queue_figures.DOMAINS)]
        full.fill_queue(scale.queue, hops)
        found = queue_figures.measure_queue_cost(empty, full, batches=scale.queue_batches)
        found += queue_figures.measure_queue_start(full, scale.queue, work_s=scale.work_s)
        full.stop()
        return found

    def _measure_slow_hops(self, scale: Scale) -> list[Figure]:
        with queue_figures.open_bad_hops() as ports:
            ours = Ours(
                self.folder / "slow", (), sink_port=self._open_sink(), bad_ports=ports, label="slow"
            )
            self._stack.callback(ours.stop)
            ours.configure()
            for hop in (queue_figures.SLOW_HOP, queue_figures.MUTE_HOP):
                ours.fill_queue(scale.slow_queue, [hop])
            ours.start()
            row = make_relay_rows(scale)[0]
            ours.queue_command("suspend", queue_figures.SLOW_HOP)
            ours.queue_command("suspend", queue_figures.MUTE_HOP)
            row.prepare(ours)
            found = [
                queue_figures.measure_slow_hop(ours, row, hop, scale=scale)
                for hop in (queue_figures.SLOW_HOP, queue_figures.MUTE_HOP)
            ]
            ours.stop()
        return found

    def used_s(self) -> float:
        """CPU seconds of the services, of this process and of the load."""
        sides: list[Side | None] = [self._ours, *self._relaying.values(), self._one, self._peer]
        served_ms = sum(side.meter.read_ms() for side in sides if side is not None)
        usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return served_ms / 1000 + sum(usage.ru_utime + usage.ru_stime for usage in usages)

    def notes(self) -> tuple[str, ...]:
        sides: list[Side | None] = [self._ours, self._peer]
        notes = [note for side in sides if side is not None for note in side.notes]
        meters = [f"{s.label}: CPU time by {s.meter.method}" for s in sides if s is not None]
        return (*notes, *meters)

    def _open_ours_for(self, row: Row) -> Ours:
        if isinstance(row, RelayRow):
            return self.open_relaying(signs=row.is_signed)
        return self.open_ours()

    def open_ours(self) -> Ours:
        if self._ours is None:
            self._ours = self._start_ours(Ours(self.folder / "ours", self._names()), big=0)
        return self._ours

    def open_relaying(self, *, signs: bool) -> Ours:
        """A service that relays for this machine, to a sink of its own."""
        if signs not in self._relaying:
            label = "Mél ouvert, signing" if signs else "Mél ouvert"
            folder = self.folder / ("signing" if signs else "relaying")
            ours = Ours(folder, (), label=label, sink_port=self._open_sink(), signs=signs)
            self._relaying[signs] = self._start_ours(ours, big=0)
        return self._relaying[signs]

    def _open_sink(self) -> int:
        sink = Sink()
        self._stack.callback(sink.stop)
        return sink.port

    def open_one(self) -> Ours:
        """The same service with one process for each door."""
        if self._one is None:
            folder = self.folder / "one"
            one = Ours(folder, self._names(), processes=1, label="Mél ouvert, one process")
            big = self.plan.scale.big_mailbox if "big-mailbox" in self.plan.figures else 0
            self._one = self._start_ours(one, big=big)
        return self._one

    def open_peer(self) -> Peer:
        if self._peer is None:
            peer = Peer(self.folder / "peer", self._names(), sink_port=self._open_sink())
            self._stack.callback(peer.stop)
            peer.start()
            self._peer = peer
        return self._peer

    def _start_ours(self, ours: Ours, *, big: int) -> Ours:
        self._stack.callback(ours.stop)
        ours.configure()
        if big:
            ours.fill(BIG_NAME, big)
        ours.start()
        return ours

    def _run(self, row: Row, ours: Side | None, theirs: Side | None) -> RowResult:
        return run_row(row, ours, theirs, self.plan.scale, on_step=self.on_step)

    def _names(self) -> list[str]:
        groups = make_groups(self.plan.scale).values()
        return [BIG_NAME, *(name for group in groups for name in group.names)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    disk: Disk
    rows: tuple[RowResult, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]


def run_session(plan: Plan, parent: Path, on_step: OnStep) -> Findings:
    """Raises:
    BenchError: a service did not start, or did not do the work.
    """
    with open_folder(parent) as folder, ExitStack() as stack:
        disk = look_at_disk(folder, sample_s=1.0 if plan.scale.round_s else 0.1)
        session = Session(plan, folder, on_step, stack)
        began_s, others_s = time.monotonic(), read_machine_busy_s() - session.used_s()
        alone = session.run_figures()
        rows = session.run_rows()
        others_s = read_machine_busy_s() - session.used_s() - others_s
        cores = others_s / (time.monotonic() - began_s)
        return Findings(
            disk=disk,
            rows=tuple(rows),
            figures=tuple(alone),
            notes=(*session.notes(), OTHERS_NOTE.format(cores=cores)),
        )
