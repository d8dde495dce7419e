"""Blocks of addresses: what one subscriber, and what one site, holds.

IPv4 within IPv6 (`::ffff:192.0.2.1`) is IPv4; a zone (`fe80::1%eth0`) is left out.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

KNOWN_BITS: Final = (24, 64)
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=8192)
def parse_address(peer: str) -> IpAddress | None:
    """None for what is no address."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def known_block_of(peer: str) -> str:
    """The block whose people are remembered for having signed in there."""
    return block_of(peer, *KNOWN_BITS)


@lru_cache(maxsize=8192)
def block_of(peer: str, ipv4_bits: int, ipv6_bits: int) -> str:
    """`198.51.100.0/24`; empty for what is no address."""
    address = parse_address(peer)
    if address is None:
        return ""
    bits = ipv4_bits if address.version == 4 else ipv6_bits
    return str(ipaddress.ip_network((address, bits), strict=False))
