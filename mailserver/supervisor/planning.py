"""From validated settings to the supervisor's plan.

Also a program, `python -m mailserver.supervisor.planning FILE [DOOR ...]`: on
SIGHUP the supervisor starts it, because the settings library is too heavy to
live in the supervisor.  The plan goes to standard output; a bad file gets exit
status 2 and one line for each problem on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

from mailserver.keys.table import is_needed_by, keys_of
from mailserver.settings.check.check import check_settings
from mailserver.settings.check.finding import Finding, Level
from mailserver.settings.check.ports import Ports
from mailserver.settings.listeners import wanted_listeners
from mailserver.settings.load import SettingsError, load_settings
from mailserver.settings.model import Settings
from mailserver.settings.service_user import service_user
from mailserver.supervisor.doors import DOOR_MODULES, open_doors
from mailserver.supervisor.plan import DoorPlan, ListenerPlan, ServicePlan

COMMON_MODULES = (
    "mailserver.auth.gate",
    "mailserver.dkim.signer",
    "mailserver.quota.notice",
    "mailserver.routing.local",
    "mailserver.store.open",
)
"""The part of the core, with its libraries, that every door or nearly every one imports."""


def make_plan(
    settings: Settings, *, only_doors: Collection[str] = (), greeting: str = ""
) -> ServicePlan:
    """The plan for these doors, all of them where none is named."""
    source = settings.source
    user_id, group_id = service_user(settings) or (None, None)
    return ServicePlan(
        doors=tuple(
            _door_plan(settings, name)
            for name in open_doors(settings)
            if not only_doors or name in only_doors
        ),
        settings={**settings.model_dump(mode="json"), "source": str(source) if source else None},
        config_file=str(source or ""),
        only_doors=tuple(only_doors),
        common=COMMON_MODULES,
        log_level=settings.log.level,
        log_format=settings.log.format,
        greeting=greeting,
        user_id=user_id,
        group_id=group_id,
    )


def errors_at_start(
    settings: Settings,
    *,
    only_doors: Collection[str] = (),
    ports: Ports = Ports.MUST_BE_FREE,
) -> tuple[list[Finding], list[Finding]]:
    """(what forbids the start, what deserves a line in the log).

    A door that starts by itself is not asked for the keys of the others.
    """
    doors = frozenset(only_doors) or None
    findings = check_settings(settings, ports=ports, doors=doors)
    if doors is not None:
        findings = [one for one in findings if is_needed_by(doors, one.key)]
    errors = [one for one in findings if one.level is Level.ERROR and one.forbids_start]
    return errors, [one for one in findings if one not in errors]


def _door_plan(settings: Settings, name: str) -> DoorPlan:
    listeners = tuple(
        ListenerPlan(wanted.kind.name, wanted.bind.host, wanted.bind.port)
        for wanted in wanted_listeners(settings)
        if wanted.kind.door == name
    )
    keys = tuple(str(path) for path in keys_of(name, settings))
    return DoorPlan(name, DOOR_MODULES[name], _worker_count(settings, name), listeners, keys)


def _worker_count(settings: Settings, name: str) -> int:
    match name:
        case "smtp":
            wanted = settings.smtp.processes
        case "pop3":
            wanted = settings.pop3.processes
        case "web":
            return settings.web.processes
        case "delivery":
            return settings.delivery.processes
        case _:
            return 1
    return wanted or len(os.sched_getaffinity(0))


def main(arguments: list[str]) -> int:
    """Print the plan for a reload, or say what is wrong with the file."""
    path, *only_doors = arguments
    try:
        settings = load_settings(Path(path))
    except SettingsError as error:
        sys.stderr.write("\n".join(error.problems) + "\n")
        return 2
    errors, _ = errors_at_start(settings, only_doors=only_doors, ports=Ports.NOT_LOOKED_AT)
    if errors:
        sys.stderr.write("\n".join(map(str, errors)) + "\n")
        return 2
    sys.stdout.write(make_plan(settings, only_doors=only_doors).to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
