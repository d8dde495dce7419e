"""One traced run: a house, the service under strace, the load, the cuts."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.crash.collector import CollectorPlan
from tests.crash.house import LISTENERS, PASSWORD, House, build_house
from tests.crash.ledger import read_ledger
from tests.crash.programs import RUN_TIMEOUT_S, running
from tests.crash.sender import SenderPlan
from tests.powercut.cuts import CutPlan, Cutter, Findings
from tests.powercut.disk import Disk
from tests.powercut.rebuilt import RebuiltFolder
from tests.powercut.trace import CALLS, OPTIONS, read_trace

BOXES = tuple(f"b{n}" for n in range(6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    sender_count, collector_count: sessions at the same time.
    letter_count: of each sender.  session_count: of each collector.
    large: part of the letters over the limit for rows.
    """

    mutant: str = "none"
    seed: int = 1
    sender_count: int = 6
    letter_count: int = 12
    collector_count: int = 2
    session_count: int = 10
    large: float = 0.12
    cut_count: int = 40
    lucky_count: int = 15
    stop_at_breach: bool = False


class TraceTooPoor(Exception):
    """strace here does not name the ends of connections."""


def cook(recipe: Recipe, folder: Path) -> Findings:
    """Run it and cut the power.  `folder` is on a disk whose speed does not matter.

    Raises:
        TraceTooPoor: see there.
        RuntimeError: the service or the load did not start or end as they should.
    """
    names = tuple(f"s{n}" for n in range(recipe.sender_count))
    ports = dict.fromkeys(LISTENERS, 0)
    house = build_house(folder / "house", names=(*names, *BOXES), ports=ports)
    disk = Disk.of(house.store_folder)
    trace = folder / "trace"
    with _traced_service(house, trace, recipe.mutant) as chosen:
        journals = _load(folder, recipe, chosen, names)
    ledger = read_ledger(journals)
    if not any("<TCP:[" in line for line in _lines(trace)):
        raise TraceTooPoor("strace -yy shows no TCP addresses")
    plan = CutPlan(
        boxes=BOXES,
        cut_count=recipe.cut_count,
        lucky_count=recipe.lucky_count,
        seed=recipe.seed,
        stop_at_breach=recipe.stop_at_breach,
    )
    cutter = Cutter(ledger, disk, RebuiltFolder(folder / "rebuilt"), plan)
    findings = cutter.run(read_trace(_lines(trace)), house.store_folder)
    findings.breaches += ledger.wrongs
    shutil.rmtree(folder / "rebuilt", ignore_errors=True)
    trace.unlink()
    return findings


@contextmanager
def _traced_service(house: House, trace: Path, mutant: str) -> Iterator[Mapping[str, int]]:
    """The ports of a service that ends with the block."""
    command = (
        *("strace", *OPTIONS, "-o", str(trace), "-e", f"trace={CALLS}"),
        *(sys.executable, "-m", "tests.powercut.service", str(house.settings_file), mutant),
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
    """Senders and collectors, to their end; the journals."""
    share = -(-len(BOXES) // recipe.collector_count)
    threads = tuple(BOXES[n : n + share] for n in range(0, len(BOXES), share))
    sending = SenderPlan(
        mx_port=ports["mx"],
        submission_port=ports["submission"],
        password=PASSWORD,
        names=names,
        boxes=BOXES,
        seed=recipe.seed,
        letter_count=recipe.letter_count,
        large=recipe.large,
        trouble=0.1,
    )
    collecting = CollectorPlan(
        pop3_port=ports["pop3"],
        password=PASSWORD,
        threads=threads,
        seed=recipe.seed,
        session_count=recipe.session_count,
        delete=0.3,
    )
    journals = [folder / "sent", folder / "collected"]
    plans = [folder / "sending.json", folder / "collecting.json"]
    plans[0].write_text(json.dumps(asdict(sending)), "utf-8")
    plans[1].write_text(json.dumps(asdict(collecting)), "utf-8")
    commands = [
        (sys.executable, "-m", module, str(journal), str(plan))
        for module, journal, plan in zip(
            ("tests.crash.sender", "tests.crash.collector"), journals, plans, strict=True
        )
    ]
    with running(commands[0]) as sender, running(commands[1]) as collector:
        for program in (sender, collector):
            program.wait(RUN_TIMEOUT_S)
    return journals


def _lines(trace: Path) -> Iterator[str]:
    with open(trace, encoding="ascii", errors="backslashreplace") as file:
        yield from file
