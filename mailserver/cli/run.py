"""`mailserver run`: check, then become the supervisor."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption
from mailserver.supervisor.doors import DOOR_MODULES, DOOR_NAMES, open_doors

if TYPE_CHECKING:
    from mailserver.settings.model import Settings

DoorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--door",
        metavar="NAME",
        help=f"Only this door, for one container each: {DOOR_NAMES}. May be repeated.",
    ),
]


def run(*, door: DoorOption = None, config: ConfigOption = None) -> None:
    """Run the service in the foreground; Ctrl-C or SIGTERM stops it, SIGHUP reloads."""
    start(read_settings(config), only_doors=door or [])


def start(settings: Settings, *, only_doors: list[str], greeting: str = "") -> None:
    """Check, prepare the store, then exec the supervisor.  Returns only by raising.

    Raises:
        Mistake: an unknown door, or a finding that forbids the start.
    """
    from mailserver.setup.service import prepare_store
    from mailserver.supervisor.launch import become_supervisor
    from mailserver.supervisor.planning import errors_at_start, make_plan

    unknown = [name for name in only_doors if name not in DOOR_MODULES]
    if unknown:
        raise Mistake(f"no door {unknown[0]!r}: the doors are {DOOR_NAMES}")
    if only_doors and not set(only_doors) & set(open_doors(settings)):
        raise Mistake(f"the door {only_doors[0]} has no listener: give web.https an address")
    errors, warnings = errors_at_start(settings, only_doors=only_doors)
    if errors:
        rest = len(errors) - 1
        more = f" (and {rest} more: `mailserver config check` lists them)" if rest else ""
        raise Mistake(f"{errors[0].key}: {errors[0].sentence}{more}")
    for finding in warnings:
        print(finding, file=sys.stderr)
    prepare_store(settings, now_s=time.time())
    become_supervisor(make_plan(settings, only_doors=only_doors, greeting=greeting))
