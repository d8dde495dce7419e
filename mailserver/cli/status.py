"""`mailserver status`: is the service up?  Also the health check of containers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.supervisor.doors import DOOR_MODULES, DOOR_NAMES, open_doors

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.telemetry.dane import DaneState

DoorOption = Annotated[
    str | None,
    typer.Option("--door", metavar="NAME", help=f"Only this door: {DOOR_NAMES}."),
]
Reports = dict[str, dict[str, float]]


def status(
    *, door: DoorOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Ask every listener for its banner and show the counters; exit 1 where one is down."""
    from mailserver.settings.gateway import is_in_container

    if door is not None and door not in DOOR_MODULES:
        raise Mistake(f"no door {door!r}: the doors are {DOOR_NAMES}")
    settings = read_settings(config)
    names = [door] if door else open_doors(settings)
    reports, lost_key = _from_store(settings)
    # Containers have one door each: asked for the whole service, `status` sees the ports of one.
    apart = door is None and is_in_container()
    facts = {name: _door_facts(settings, name, reports, apart=apart) for name in names}
    is_up = all(fact["up"] for fact in facts.values())
    dane, warnings = _dane(reports), [*_warnings(reports), *lost_key]
    if as_json:
        whole = {"up": is_up, "doors": facts, "dane": dane, "warnings": warnings}
        print(json.dumps(whole, ensure_ascii=False))
    else:
        _show(facts, dane, warnings)
    if not is_up:
        raise Failure


def _from_store(settings: Settings) -> tuple[Reports, list[str]]:
    """(what the workers reported of late, warnings of keys, bodies, domains and the clock)."""
    from mailserver.auth.numen_key import lost_key_warning
    from mailserver.cli.status_bodies import body_warnings
    from mailserver.cli.status_clock import clock_warnings
    from mailserver.store.clock import ServiceClock
    from mailserver.store.outside import folded_domains, outside_warning
    from mailserver.telemetry.reports import FRESH_S

    now_s = time.time()
    with opened_store(settings) as store:
        found = store.read_reports()
        lost = lost_key_warning(settings.auth.numen_key, store)
        others = [*clock_warnings(ServiceClock(store).belief()), *body_warnings(store)]
        outside = outside_warning(store.find_outside(folded_domains(settings)))
    fresh = {name: values for name, (at_s, values) in found.items() if 0 <= now_s - at_s < FRESH_S}
    return fresh, [*others, *filter(None, (outside, lost))]


def _door_facts(settings: Settings, name: str, reports: Reports, *, apart: bool) -> dict[str, Any]:
    """up, workers, listeners, counters (summed over the workers).

    apart: a door that reports while nobody listens on its ports here may be in another container.
    """
    from mailserver.cli.probe import probe_all
    from mailserver.settings.listeners import wanted_listeners

    answers = probe_all([one for one in wanted_listeners(settings) if one.kind.door == name])
    own = {source: values for source, values in reports.items() if source.startswith(f"{name}.")}
    is_elsewhere = apart and bool(own and answers) and all(one.is_refused for one in answers)
    is_off = name == "delivery" and settings.delivery.processes == 0
    # A door whose listeners cannot be asked is up when it reports.
    is_silent = is_elsewhere or not answers
    return {
        "up": bool(own) or is_off if is_silent else all(answer.is_up for answer in answers),
        "elsewhere": is_elsewhere,
        "workers": len(own),
        "listeners": [
            {
                "name": answer.wanted.kind.name,
                "address": str(answer.wanted.bind),
                "up": answer.is_up,
                "failure": answer.failure,
            }
            for answer in answers
        ],
        "counters": _sum(own),
    }


def _sum(reports: Reports) -> dict[str, float]:
    from mailserver.telemetry.reports import is_counter

    total: dict[str, float] = {}
    for values in reports.values():
        for name, value in values.items():
            if is_counter(name):
                total[name] = total.get(name, 0.0) + value
    return total


def _dane_state(reports: Reports) -> DaneState | None:
    from mailserver.telemetry.dane import worst_state
    from mailserver.telemetry.reports import DANE_STATE

    return worst_state(values[DANE_STATE] for values in reports.values() if DANE_STATE in values)


def _dane(reports: Reports) -> str | None:
    """None: no delivery agent reports."""
    from mailserver.telemetry.dane import dane_words

    state = _dane_state(reports)
    return None if state is None else dane_words(state)


def _warnings(reports: Reports) -> list[str]:
    from mailserver.telemetry.dane import dane_warning
    from mailserver.telemetry.peers import GATEWAY_WARNING, reports_show_a_gateway
    from mailserver.telemetry.reports import OPEN_RELAY, OPEN_RELAY_WARNING

    warnings = [GATEWAY_WARNING] if reports_show_a_gateway(list(reports.values())) else []
    if any(values.get(OPEN_RELAY) for values in reports.values()):
        warnings.append(OPEN_RELAY_WARNING)
    state = _dane_state(reports)
    if state is not None and (warning := dane_warning(state)) is not None:
        warnings.append(warning)
    return warnings


def _told_workers(count: int) -> str:
    match count:
        case 0:
            return "no report yet"
        case 1:
            return "1 worker reports"
        case _:
            return f"{count} workers report"


def _show(facts: dict[str, dict[str, Any]], dane: str | None, warnings: list[str]) -> None:
    for name, fact in facts.items():
        word = "up" if fact["up"] else "DOWN"
        told = _told_workers(fact["workers"])
        where = ", in another container: its health check asks the listeners"
        print(f"{name:<10}{word:<6}{told}{where if fact['elsewhere'] else ''}")
        for one in [] if fact["elsewhere"] else fact["listeners"]:
            print(f"    {one['name']:<20} {one['address']:<24} {one['failure'] or 'up'}")
        for counter, value in sorted(fact["counters"].items()):
            print(f"    {counter:<44} {value:,.0f}")
    if dane is not None:
        print(f"{'DANE':<10}{dane}")
    for warning in warnings:
        print(f"warning: {warning}")
