"""The addresses of this machine's default gateways, from proc(5).

In a container that is the address from which every client seems to come where
the host passes connections on; elsewhere it is a router, from which no mail
comes under its own name.  Neither says who connects.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

Gateway = IPv4Address | IPv6Address
_IPV4_ROUTES = Path("/proc/net/route")
_IPV6_ROUTES = Path("/proc/net/ipv6_route")
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def default_gateways() -> frozenset[Gateway]:
    """Of IPv4 and IPv6; empty where there is none, or where they cannot be read."""
    return frozenset(
        [*parse_ipv4_routes(_read(_IPV4_ROUTES)), *parse_ipv6_routes(_read(_IPV6_ROUTES))]
    )


def is_in_container() -> bool:
    return any(mark.exists() for mark in _CONTAINER_MARKS)


def parse_ipv4_routes(text: str) -> Iterator[Gateway]:
    """Columns: Iface Destination Gateway ...; numbers as the machine holds them in memory."""
    for row in text.splitlines()[1:]:
        columns = row.split()
        if len(columns) >= 8 and columns[1] == columns[7] == "00000000":
            gateway = IPv4Address(int(columns[2], 16).to_bytes(4, sys.byteorder))
            if not gateway.is_unspecified:
                yield gateway


def parse_ipv6_routes(text: str) -> Iterator[Gateway]:
    """Columns: destination, its prefix length, source, its length, next hop, ..."""
    for row in text.splitlines():
        columns = row.split()
        if len(columns) >= 5 and set(columns[0]) == {"0"} and columns[1] == "00":
            gateway = IPv6Address(int(columns[4], 16))
            if not gateway.is_unspecified:
                yield gateway


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return ""
