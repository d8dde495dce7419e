"""Addresses of machines, in the one form that they are compared in.

A socket of both families shows IPv4 peers as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2), and a
link-local peer with the zone it came by, `fe80::1%eth0` (RFC 4007 §11).  Here the first is
192.0.2.1 and the second has no zone: what is counted or allowed is counted and allowed once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


def unmapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address that stands in an IPv6 one, else itself."""
    return (ip.ipv4_mapped if isinstance(ip, IPv6Address) else None) or ip


@lru_cache(maxsize=8192)
def parse_ip(text: str) -> IpAddress | None:
    """None for what is no address.  text: as a socket tells it."""
    try:
        return unmapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def is_loopback(text: str) -> bool:
    """What is no address is not."""
    ip = parse_ip(text)
    return ip is not None and ip.is_loopback


def is_in_networks(text: str, networks: Iterable[IpNetwork]) -> bool:
    """Is it an address of one of them?"""
    ip = parse_ip(text)
    return ip is not None and any(ip in network for network in networks)
