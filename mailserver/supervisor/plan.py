"""What the supervisor is told: plain JSON, checked by whoever made it.

Made by `planning` from the settings, read here without any library, because
the process that reads it lives as long as the service and should stay small.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from mailserver.telemetry.lines import LogFormat

PLANNING_MODULE = "mailserver.supervisor.planning"
DRAIN_S = 10.0
"""How long a process may take to finish what it is doing, after SIGTERM."""


@dataclass(frozen=True, slots=True)
class ListenerPlan:
    """One address of one listener: every worker of the door gets its own socket."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """`module` is the dotted name of a `contract.Door`; `keys` are the files that it needs."""

    name: str
    module: str
    workers: int
    listeners: tuple[ListenerPlan, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """The service to run.

    settings: JSON of `Settings`, handed on unread.
    config_file: what a reload reads again; empty: no reload.
    planning: the module that reads it again (see `planning`).
    only_doors: what `--door` named, for the reload.
    common: modules that the doors share, imported before they part.
    greeting: printed once everything is up.
    user_id, group_id: whom everybody but the supervisor becomes; None: who started it.
    """

    doors: tuple[DoorPlan, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    drain_s: float = DRAIN_S
    config_file: str = ""
    planning: str = PLANNING_MODULE
    only_doors: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    log_level: str = "info"
    log_format: LogFormat = "auto"
    greeting: str = ""
    user_id: int | None = None
    group_id: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def plan_from_json(text: str | bytes) -> ServicePlan:
    """The reverse of `to_json`.

    Raises:
        ValueError, KeyError, TypeError: not a plan; a bug of whoever wrote it.
    """
    tree = json.loads(text)
    doors = tuple(
        DoorPlan(
            door["name"],
            door["module"],
            door["workers"],
            tuple(ListenerPlan(**listener) for listener in door["listeners"]),
            tuple(door["keys"]),
        )
        for door in tree.pop("doors")
    )
    for name in ("only_doors", "common"):
        tree[name] = tuple(tree[name])
    return ServicePlan(doors=doors, **tree)
