"""What the supervisor hands to the hall process, through a file in memory on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOrders:
    """workers: for each worker the (listener's name, descriptor) it listens on."""

    name: str
    module: str
    workers: list[list[tuple[str, int]]]

    def descriptors(self) -> list[int]:
        """The sockets of all its workers."""
        return [fd for worker in self.workers for _, fd in worker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """One generation of the service.

    common: modules that the doors share, imported before they are forked.
    life_fd reads end-of-file when the supervisor is gone; to status_fd go
    lines: one for each door that ended before all were ready, and "ready".
    """

    doors: list[DoorOrders]
    common: list[str]
    settings: dict[str, Any]
    life_fd: int
    status_fd: int
    auth_secret_hex: str
    drain_s: float

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    def descriptors(self) -> list[int]:
        """Everything that the hall process must inherit."""
        sockets = [fd for door in self.doors for fd in door.descriptors()]
        return [self.life_fd, self.status_fd, *sockets]


def orders_from_json(octets: bytes) -> Orders:
    """The reverse of `to_json`."""
    tree = json.loads(octets)
    doors = [
        DoorOrders(
            name=door["name"],
            module=door["module"],
            workers=[[(name, fd) for name, fd in worker] for worker in door["workers"]],
        )
        for door in tree.pop("doors")
    ]
    return Orders(doors=doors, **tree)
