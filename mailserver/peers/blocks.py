"""Blocks of addresses: what one subscriber, and what one site, holds.

IPv4 within IPv6 (`::ffff:192.0.2.1`) is IPv4; a zone (`fe80::1%eth0`) is left out.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from mailserver.values.ip import parse_ip

KNOWN_BITS: Final = (24, 64)


def known_block_of(peer: str) -> str:
    """The block whose people are remembered for having signed in there."""
    return block_of(peer, *KNOWN_BITS)


@lru_cache(maxsize=8192)
def block_of(peer: str, ipv4_bits: int, ipv6_bits: int) -> str:
    """`198.51.100.0/24`; empty for what is no address."""
    address = parse_ip(peer)
    if address is None:
        return ""
    bits = ipv4_bits if address.version == 4 else ipv6_bits
    return str(ipaddress.ip_network((address, bits), strict=False))
