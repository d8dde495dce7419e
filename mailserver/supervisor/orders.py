"""What the supervisor hands to the fork server: orders, and the descriptors that they name.

Through a pair of sockets (unix(7), SCM_RIGHTS), because the fork server may
have been started before the descriptors were.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mailserver.supervisor.board import Board, slot_names

_HEAD = struct.Struct("!II")  # octets of JSON, descriptors
_AT_A_TIME = 250  # the kernel takes 253


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOrders:
    """workers: for each worker the (listener's name, descriptor) it listens on.

    keys: (path, descriptor) of the keys that the supervisor read for it, which other
    doors may have too; empty where the door reads the files itself.
    """

    name: str
    module: str
    workers: list[list[tuple[str, int]]]
    keys: list[tuple[str, int]] = field(default_factory=list)

    def descriptors(self) -> list[int]:
        """The sockets of all its workers, and its keys."""
        return [fd for pairs in (*self.workers, self.keys) for _, fd in pairs]

    def renumbered(self, number: dict[int, int]) -> DoorOrders:
        return replace(
            self,
            workers=[[(name, number[fd]) for name, fd in worker] for worker in self.workers],
            keys=[(path, number[fd]) for path, fd in self.keys],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """One generation of the service.

    common: modules that the doors share, imported before they are forked.
    life_fd reads end-of-file when the supervisor is gone; to status_fd go
    lines: one for each door that ended before all were ready, and "ready".
    board_fd: the memory of the board (see `board`).
    user_id, group_id: whom to become before anything else; None: stay who we are.
    """

    doors: list[DoorOrders]
    common: list[str]
    settings: dict[str, Any]
    life_fd: int
    status_fd: int
    board_fd: int
    auth_secret_hex: str
    drain_s: float
    user_id: int | None = None
    group_id: int | None = None

    def open_board(self) -> Board:
        """In the fork server; what it forks has it too."""
        board = Board(self.board_fd, slot_names([(d.name, len(d.workers)) for d in self.doors]))
        os.close(self.board_fd)
        return board

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    def descriptors(self) -> list[int]:
        """Everything that goes with them, each once."""
        of_doors = [fd for door in self.doors for fd in door.descriptors()]
        return list(dict.fromkeys([self.life_fd, self.status_fd, self.board_fd, *of_doors]))

    def renumbered(self, received: list[int]) -> Orders:
        """With the numbers that `descriptors()` have where they arrived."""
        number = dict(zip(self.descriptors(), received, strict=True))
        return replace(
            self,
            doors=[door.renumbered(number) for door in self.doors],
            life_fd=number[self.life_fd],
            status_fd=number[self.status_fd],
            board_fd=number[self.board_fd],
        )


def orders_from_json(octets: bytes) -> Orders:
    """The reverse of `to_json`."""
    tree = json.loads(octets)
    doors = [
        DoorOrders(
            name=door["name"],
            module=door["module"],
            workers=[[(name, fd) for name, fd in worker] for worker in door["workers"]],
            keys=[(path, fd) for path, fd in door["keys"]],
        )
        for door in tree.pop("doors")
    ]
    return Orders(doors=doors, **tree)


def send_orders(sock: socket.socket, orders: Orders) -> None:
    """
    Raises:
        OSError: the fork server is gone.
    """
    octets, fds = orders.to_json(), orders.descriptors()
    sock.sendall(_HEAD.pack(len(octets), len(fds)) + octets)
    for start in range(0, len(fds), _AT_A_TIME):
        socket.send_fds(sock, [b"\0"], fds[start : start + _AT_A_TIME])


def receive_orders(sock: socket.socket) -> Orders | None:
    """None: the supervisor is gone.  No descriptor is inherited by a program that is started."""
    head = _read(sock, _HEAD.size)
    if head is None:
        return None
    octet_count, fd_count = _HEAD.unpack(head)
    octets = _read(sock, octet_count)
    fds: list[int] = []
    while octets is not None and len(fds) < fd_count:
        mark, some, _, _ = socket.recv_fds(sock, 1, _AT_A_TIME)
        if not mark:
            return None
        fds += some
    for fd in fds:
        os.set_inheritable(fd, False)  # recv_fds has a parameter for this, and ignores it
    return None if octets is None else orders_from_json(octets).renumbered(fds)


def _read(sock: socket.socket, count: int) -> bytes | None:
    """None: the other end was closed before so many octets had come."""
    octets = b""
    while len(octets) < count:
        more = sock.recv(count - len(octets))
        if not more:
            return None
        octets += more
    return octets
