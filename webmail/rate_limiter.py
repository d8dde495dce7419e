"""How many requests one client may make within a minute.

A core: addresses and times in, yes or no out.  Memory is bounded: when too many
clients are counted in one minute, the rest share one count.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address
from typing import Final

from mailserver.values.ip import parse_ip

WINDOW_S: Final = 60.0
MAX_CLIENTS: Final = 10_000
IPV6_BITS: Final = 64
"""What one subscriber is given."""


class RateLimiter:
    """The counts of this process, for the minute that runs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._window = 0

    def allows(self, client: str, *, now_s: float) -> bool:
        """Count one more request of this address."""
        window = int(now_s // WINDOW_S)
        if window != self._window:
            self._window = window
            self._counts.clear()
        key = block_of(client)
        if key not in self._counts and len(self._counts) >= MAX_CLIENTS:
            key = ""
        self._counts[key] += 1
        return self._counts[key] <= self._most


def block_of(client: str) -> str:
    """Whom an address stands for; empty where it is none."""
    ip = parse_ip(client)
    if ip is None:
        return ""
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(IPv6Address(int(ip) >> (128 - IPV6_BITS) << (128 - IPV6_BITS)))
