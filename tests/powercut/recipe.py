"""One traced run: a house, the service under strace, the load, the cuts."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

from tests.crash.collector import CollectorPlan
from tests.crash.house import PASSWORD, House, build_house
from tests.crash.ledger import read_ledger
from tests.crash.programs import RUN_TIMEOUT_S, running
from tests.crash.relayed import judge_doubles, read_relayed
from tests.crash.run import running_elsewhere, wait_for_rest
from tests.crash.sender import SenderPlan
from tests.powercut.cuts import CutPlan, Cutter, Findings, Known
from tests.powercut.disk import Disk
from tests.powercut.rebuilt import RebuiltFolder
from tests.powercut.service import IN_DELIVERY, LISTENERS
from tests.powercut.trace import CALLS, OPTIONS, read_trace

BOXES = tuple(f"b{n}" for n in range(6))
CLEARING_SESSIONS = 3  # of each mailbox: some drop, some take their deletions back


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    sender_count, collector_count: sessions at the same time.
    letter_count: of each sender.
    large: part of the letters over the limit for rows.
    elsewhere: part of the letters with recipients elsewhere, or a sender there.
    doors: with POP3, mailboxes are collected too; in the end most are collected empty, and
        everything leaves or comes back.
    sent_stride: of so many of the agent's commands to servers elsewhere, the power is cut at one
        too; 0: at none.
    synced_stride: of so many syncs of the log, it is cut behind one; 0: behind none.
    """

    mutant: str = "none"
    seed: int = 1
    sender_count: int = 6
    letter_count: int = 12
    collector_count: int = 2
    large: float = 0.12
    elsewhere: float = 0.7
    doors: tuple[str, ...] = tuple(LISTENERS)
    sent_stride: int = 20
    synced_stride: int = 10
    cut_count: int = 30
    lucky_count: int = 12
    stop_at_breach: bool = False


def recipe_for(mutant: str) -> Recipe:
    """A load under which this mutant breaks its promise early, cut where it does."""
    always = Recipe(
        mutant=mutant,
        letter_count=4,
        doors=("smtp", "delivery") if mutant in IN_DELIVERY else ("smtp",),
        lucky_count=0,
        sent_stride=0,
        stop_at_breach=True,
    )
    if mutant in IN_DELIVERY:
        return replace(always, large=0.0, elsewhere=1.0, cut_count=1, synced_stride=1)
    return replace(always, large=0.5, elsewhere=0.0, cut_count=0, synced_stride=0)


class TraceTooPoor(Exception):
    """strace here does not name the ends of connections."""


def cook(recipe: Recipe, folder: Path) -> Findings:
    """Run it and cut the power.  `folder` is on a disk whose speed does not matter.

    Raises:
        TraceTooPoor: see there.
        RuntimeError: the service or the load did not start or end as they should.
    """
    names = tuple(f"s{n}" for n in range(recipe.sender_count))
    trace = folder / "trace"
    with running_elsewhere(folder, recipe.seed) as elsewhere:
        house = build_house(
            folder / "house",
            names=(*names, *BOXES),
            ports=dict.fromkeys(chain(*LISTENERS.values()), 0),
            agents=1,
            elsewhere=elsewhere,
        )
        disk = Disk.of(house.store_folder)
        with _traced_service(house, trace, recipe) as chosen:
            journals = _load(folder, recipe, chosen, names)
            if recipe.mutant == "none":
                wait_for_rest(house)
    if not any("<TCP:[" in line for line in _lines(trace)):
        raise TraceTooPoor("strace -yy shows no TCP addresses")
    ledger, relayed = read_ledger(journals), read_relayed(folder / "elsewhere")
    plan = _cut_plan(recipe, names, frozenset(map(str, elsewhere.values())))
    cutter = Cutter(Known(ledger, relayed, plan), disk, RebuiltFolder(folder / "rebuilt"))
    findings = cutter.run(read_trace(_lines(trace)), house.store_folder)
    nobody_died = judge_doubles(relayed, kills=())
    findings.breaches += [*ledger.wrongs, *relayed.wrongs, *nobody_died.breaches]
    shutil.rmtree(folder / "rebuilt", ignore_errors=True)
    trace.unlink()
    return findings


def _cut_plan(recipe: Recipe, senders: tuple[str, ...], elsewhere_ports: frozenset[str]) -> CutPlan:
    return CutPlan(
        boxes=BOXES,
        senders=senders,
        elsewhere_ports=elsewhere_ports,
        sent_stride=recipe.sent_stride,
        synced_stride=recipe.synced_stride,
        cut_count=recipe.cut_count,
        lucky_count=recipe.lucky_count,
        seed=recipe.seed,
        stop_at_breach=recipe.stop_at_breach,
    )


@contextmanager
def _traced_service(house: House, trace: Path, recipe: Recipe) -> Iterator[Mapping[str, int]]:
    """The ports of a service that ends with the block."""
    command = (
        *("strace", *OPTIONS, "-o", str(trace), "-e", f"trace={CALLS}"),
        *(sys.executable, "-m", "tests.powercut.service", str(house.settings_file)),
        *(recipe.mutant, *recipe.doors),
    )
    with running(command, has_output=True) as service:
        assert service.stdout is not None, "it was asked for"
        line = service.stdout.readline()
        if not line:
            raise RuntimeError("the traced service did not start")
        yield json.loads(line)


def _load(
    folder: Path, recipe: Recipe, ports: Mapping[str, int], names: tuple[str, ...]
) -> list[Path]:
    """Send and, if there is POP3, collect meanwhile and after it; the journals."""
    sending = SenderPlan(
        mx_port=ports["mx"],
        submission_port=ports["submission"] if recipe.elsewhere else 0,
        password=PASSWORD,
        names=names,
        boxes=BOXES,
        seed=recipe.seed,
        letter_count=recipe.letter_count,
        large=recipe.large,
        trouble=0.1,
        elsewhere=recipe.elsewhere,
    )
    sender = _command(folder, "sender", "sent", asdict(sending))
    if "pop3" not in recipe.doors:
        _run(sender)
        return [folder / "sent"]
    share = -(-len(BOXES) // recipe.collector_count)
    collecting = CollectorPlan(
        pop3_port=ports["pop3"],
        password=PASSWORD,
        threads=tuple(BOXES[n : n + share] for n in range(0, len(BOXES), share)),
        seed=recipe.seed,
        session_count=0,
        delete=0.3,
    )
    clearing = replace(
        collecting,
        threads=tuple((box,) for box in BOXES[:-1]),
        session_count=CLEARING_SESSIONS,
        delete=1.0,
    )
    with running(_command(folder, "collector", "collected", asdict(collecting))):
        _run(sender)
    _run(_command(folder, "collector", "cleared", asdict(clearing)))
    return [folder / name for name in ("sent", "collected", "cleared")]


def _run(command: tuple[str, ...]) -> None:
    with running(command) as program:
        program.wait(RUN_TIMEOUT_S)


def _command(folder: Path, module: str, journal: str, plan: object) -> tuple[str, ...]:
    plan_file = folder / f"{journal}.json"
    plan_file.write_text(json.dumps(plan), "utf-8")
    return (sys.executable, "-m", f"tests.crash.{module}", str(folder / journal), str(plan_file))


def _lines(trace: Path) -> Iterator[str]:
    with open(trace, encoding="ascii", errors="backslashreplace") as file:
        yield from file
