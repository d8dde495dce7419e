"""`mailserver status`: is the service up, and what should somebody know?  Also the health check
of containers.

    exit status   means
    0             every door is up; what else is found stands there, as warnings and notes
    1             a door is down, or mail is refused: there is an error
    2             a mistake in what was typed, or in the settings
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import read_settings
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.supervisor.doors import DOOR_MODULES, DOOR_NAMES, open_doors

if TYPE_CHECKING:
    from mailserver.cli.status.facts import DoorFacts
    from mailserver.settings.check.finding import Finding

DoorOption = Annotated[
    str | None,
    typer.Option("--door", metavar="NAME", help=f"Only this door: {DOOR_NAMES}."),
]


def status(
    *, door: DoorOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Ask every listener, show counters and findings; exit 1: a door is down or mail refused."""
    from mailserver.cli.status.facts import gather
    from mailserver.cli.status.findings import all_findings, dane_state
    from mailserver.settings.check.finding import Level
    from mailserver.settings.gateway import is_in_container
    from mailserver.telemetry.dane import dane_words

    if door is not None and door not in DOOR_MODULES:
        raise Mistake(f"no door {door!r}: the doors are {DOOR_NAMES}")
    settings = read_settings(config)
    if not settings.store.path.is_dir():
        raise Mistake(f"no store at {settings.store.path}: `mailserver init` makes one")
    # Containers have one door each: asked for the whole service, `status` sees the ports of one.
    apart = door is None and is_in_container()
    facts = gather(settings, [door] if door else open_doors(settings), apart=apart)
    findings = all_findings(facts)
    state = dane_state(facts)
    dane = None if state is None else dane_words(state)
    is_up = all(one.is_up for one in facts.doors)
    if as_json:
        print(json.dumps(_whole(facts.doors, findings, dane, is_up=is_up), ensure_ascii=False))
    else:
        _show(facts.doors, findings, dane)
    if not is_up or any(one.level is Level.ERROR for one in findings):
        raise Failure


def _whole(
    doors: list[DoorFacts], findings: list[Finding], dane: str | None, *, is_up: bool
) -> dict[str, Any]:
    from mailserver.settings.check.finding import Level, as_facts

    return {
        "up": is_up,
        "doors": {one.name: _as_json(one) for one in doors},
        "dane": dane,
        "findings": list(map(as_facts, findings)),
        "warnings": [one.sentence for one in findings if one.level is not Level.NOTE],
    }


def _as_json(door: DoorFacts) -> dict[str, Any]:
    """up, workers, listeners, processes, counters (summed over the workers)."""
    return {
        "up": door.is_up,
        "elsewhere": door.is_elsewhere,
        "workers": len(door.reports),
        "listeners": [
            {
                "name": answer.wanted.kind.name,
                "address": str(answer.wanted.bind),
                "up": answer.is_up,
                "failure": answer.failure,
                "tls_failure": answer.tls_failure,
            }
            for answer in door.answers
        ],
        "processes": [
            {name: value for name, value in slot.items() if name != "report"}
            for slot in door.processes
        ],
        "counters": door.counters,
    }


def _told_workers(count: int) -> str:
    match count:
        case 0:
            return "no report yet"
        case 1:
            return "1 worker reports"
        case _:
            return f"{count} workers report"


def _show(doors: list[DoorFacts], findings: list[Finding], dane: str | None) -> None:
    for door in doors:
        word = "up" if door.is_up else "DOWN"
        told = _told_workers(len(door.reports))
        where = ", in another container: its health check asks the listeners"
        print(f"{door.name:<10}{word:<6}{told}{where if door.is_elsewhere else ''}")
        for one in [] if door.is_elsewhere else door.answers:
            name, address = one.wanted.kind.name, str(one.wanted.bind)
            print(f"    {name:<20} {address:<24} {one.failure or 'up'}")
        for counter, value in sorted(door.counters.items()):
            print(f"    {counter:<44} {value:,.0f}")
    if dane is not None:
        print(f"{'DANE':<10}{dane}")
    for finding in findings:
        print(_line(finding))


def _line(finding: Finding) -> str:
    """A setting's name stands before the sentence; other keys say nothing that it does not."""
    where = f"{finding.key}: " if "." in finding.key and "dane" not in finding.key else ""
    return f"{finding.level.value}: {where}{finding.sentence}"
