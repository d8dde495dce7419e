"""`mailserver usage`: what accounts keep, against their quotas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.texts.plurals import noun

if TYPE_CHECKING:
    from mailserver.quota.classes import Classes
    from mailserver.store.ports.targets import Usage

OverOption = Annotated[
    float | None,
    typer.Option(metavar="PERCENT", min=0, help="Only accounts that use more of their quota."),
]


def usage(
    *, over: OverOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what each account keeps: octets, messages, part of its quota."""
    from mailserver.quota.classes import Classes

    settings = read_settings(config)
    classes = Classes(settings.classes, grace_percent=settings.quota.grace_percent)
    with opened_store(settings) as store:
        for one in store.people.list_usage():
            facts = _facts(one, classes)
            percent = facts["percent"]
            if over is not None and (percent is None or percent <= over):
                continue
            print(json.dumps(facts) if as_json else _line(facts))


def _facts(one: Usage, classes: Classes) -> dict[str, Any]:
    from mailserver.quota.classes import percent_used

    limits = classes.of(one.class_name)
    percent = percent_used(limits, used_octets=one.octets, used_count=one.count)
    return {
        "identifier": one.identifier,
        "class": limits.name,
        "octets": one.octets,
        "messages": one.count,
        "quota_octets": limits.quota_octets or None,
        "quota_messages": limits.quota_count or None,
        "percent": None if percent is None else round(percent, 1),
    }


def _line(facts: dict[str, Any]) -> str:
    percent = "no quota" if facts["percent"] is None else f"{facts['percent']:.1f} %"
    mib = facts["octets"] / (1024 * 1024)
    return (
        f"{facts['identifier']:<20} {facts['class']:<12} {mib:>12.1f} MiB"
        f" {facts['messages']:>9} {noun(facts['messages'], 'message'):<8}  {percent}"
    )
