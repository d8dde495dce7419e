"""Ports for programs that cannot be given port 0."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

LOWEST_PORT = 12_000


def find_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago, all different.

    Below the range from which the kernel gives ports to clients: one of those could take the port
    before its program starts, or while it is down, even by connecting to itself.
    """
    chance = random.SystemRandom()
    with ExitStack() as held:
        return [_hold_port(held, chance) for _ in range(count)]


def _hold_port(held: ExitStack, chance: random.Random) -> int:
    while True:
        sock = held.enter_context(socket.socket())
        try:
            sock.bind(("127.0.0.1", chance.randrange(LOWEST_PORT, _lowest_client_port())))
        except OSError:
            continue
        port: int = sock.getsockname()[1]
        return port


def _lowest_client_port() -> int:
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii")
    return max(LOWEST_PORT + 1_000, int(text.split()[0]))
