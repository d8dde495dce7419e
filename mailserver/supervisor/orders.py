"""What the supervisor hands to a door's parent, through a file in memory on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """workers: for each worker the (listener's name, descriptor) it listens on.

    life_fd reads end-of-file when the supervisor is gone; one line goes to
    status_fd when the workers are forked.
    """

    door: str
    module: str
    settings: dict[str, Any]
    workers: list[list[tuple[str, int]]]
    life_fd: int
    status_fd: int
    auth_secret_hex: str
    drain_s: float

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    def descriptors(self) -> list[int]:
        """Everything that the parent must inherit."""
        sockets = [fd for worker in self.workers for _, fd in worker]
        return [self.life_fd, self.status_fd, *sockets]


def orders_from_json(octets: bytes) -> Orders:
    """The reverse of `to_json`."""
    tree = json.loads(octets)
    workers = [[(name, fd) for name, fd in worker] for worker in tree.pop("workers")]
    return Orders(workers=workers, **tree)
