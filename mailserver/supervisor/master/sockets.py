"""The listening sockets: opened once, kept open while the service lives.

One SO_REUSEPORT socket for each worker of each address, so that the kernel
spreads connections; the supervisor's own copy keeps the queue of a worker that
died for its successor.  A socket that the service manager hands over
(sd_listen_fds(3)) is shared by the workers of its address instead.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass

from mailserver.supervisor.plan import DoorPlan

BACKLOG = 1024
FIRST_INHERITED_FD = 3

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SocketPlace:
    """Which socket, as the plan names it: port 0 here is a port that the system chose."""

    listener: str
    host: str
    port: int
    worker: int


class PortInUse(OSError):
    """An address cannot be bound.  The text names it, for a person."""


class Sockets:
    """The book of open sockets."""

    def __init__(self, inherited: dict[Address, socket.socket] | None = None) -> None:
        self._open: dict[SocketPlace, socket.socket] = {}
        self._inherited = inherited or {}
        self._chosen: dict[tuple[str, str], int] = {}  # (listener, host) -> port, for port 0

    def open_for(self, doors: Iterable[DoorPlan], *, left_out: Callable[[str, str], None]) -> None:
        """Open what these doors need and is not open yet; all of it, or nothing of it.

        left_out: told the listener and address of IPv6 that this machine does not have.

        Raises:
            PortInUse: an address cannot be bound.
        """
        fresh: list[SocketPlace] = []
        try:
            for place in places(doors):
                if place not in self._open:
                    sock = self._open_one(place, left_out)
                    if sock is not None:
                        self._open[place] = sock
                        fresh.append(place)
        except PortInUse:
            self._close(fresh)
            raise

    def of_worker(self, door: DoorPlan, worker: int) -> list[tuple[str, int]]:
        """(listener's name, descriptor) of what one worker listens on."""
        return [
            (place.listener, self._open[place].fileno())
            for place in places([door])
            if place.worker == worker and place in self._open
        ]

    def keep_only(self, doors: Iterable[DoorPlan]) -> None:
        """Close what these doors do not use."""
        wanted = set(places(doors))
        self._close([place for place in self._open if place not in wanted])

    def addresses(self) -> list[str]:
        """What is open, for people: `mx 127.0.0.1:2525`."""
        told = (
            f"{place.listener} {_shown(*sock.getsockname()[:2])}"
            for place, sock in self._open.items()
        )
        return list(dict.fromkeys(told))

    def _close(self, chosen: list[SocketPlace]) -> None:
        for place in chosen:
            self._open.pop(place).close()

    def _open_one(
        self, place: SocketPlace, left_out: Callable[[str, str], None]
    ) -> socket.socket | None:
        if (place.host, place.port) in self._inherited:
            return self._inherited[place.host, place.port].dup()
        port = place.port or self._chosen.get((place.listener, place.host), 0)
        is_first = not any(
            (other.host, other.port) == (place.host, place.port)
            and (place.port or other.listener == place.listener)
            for other in self._open
        )
        try:
            if is_first:
                _bind(place.host, port, shared=False).close()
            sock = _bind(place.host, port, shared=True)
            sock.listen(BACKLOG)
        except OSError as error:
            if place.host in {"::", "::1"} and _has_no_ipv6():
                left_out(place.listener, _shown(place.host, port))
                return None
            reason = os.strerror(error.errno or 0)
            raise PortInUse(
                f"{place.listener}: cannot listen on {_shown(place.host, port)}: {reason}"
            ) from error
        if not place.port:
            self._chosen[place.listener, place.host] = sock.getsockname()[1]
        return sock


def places(doors: Iterable[DoorPlan]) -> list[SocketPlace]:
    """Every socket that these doors need."""
    return [
        SocketPlace(listener.name, listener.host, listener.port, worker)
        for door in doors
        for listener in door.listeners
        for worker in range(door.workers)
    ]


def inherited_sockets(
    environment: MutableMapping[str, str], pid: int
) -> dict[Address, socket.socket]:
    """What the service manager opened for us, by address; takes the variables away."""
    count = int(environment.pop("LISTEN_FDS", "0") or 0)
    is_ours = environment.pop("LISTEN_PID", "") == str(pid)
    environment.pop("LISTEN_FDNAMES", None)
    found: dict[Address, socket.socket] = {}
    for fd in range(FIRST_INHERITED_FD, FIRST_INHERITED_FD + count if is_ours else 0):
        sock = socket.socket(fileno=fd)
        sock.set_inheritable(False)
        sock.setblocking(False)
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            host, port = sock.getsockname()[:2]
            found[host, port] = sock
    return found


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bound, not listening.  Not shared: fails where a second service holds the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _has_no_ipv6() -> bool:
    try:
        _bind("::1", 0, shared=False).close()
    except OSError:
        return True
    return False


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
