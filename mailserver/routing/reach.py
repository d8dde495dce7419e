"""Which addresses the DNS of strangers may send us to.  Pure.

A stranger writes what he likes into the MX, A and AAAA records of his domain:
without a bound, mail to it makes this service knock at machines that only it
can reach, or at itself.

| reach   | addresses                                                | RFC                    |
| ------- | -------------------------------------------------------- | ---------------------- |
| NOWHERE | "this network", loopback, link-local, reserved          | 6890, 4291             |
| PRIVATE | of organisations and providers, of benchmarks            | 1918, 4193, 6598, 2544 |
| PUBLIC  | all others                                               |                        |

An IPv4 address is judged as itself in whatever IPv6 address it is wrapped: mapped
(RFC 4291 §2.5.5), of 6to4 (RFC 3056) or of NAT64 (RFC 6052).  Networks that
the settings name are ours, and may be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from typing import Final

from mailserver.values.ip import IpAddress, IpNetwork, unmapped

Ip = IpAddress
Network = IpNetwork

_NOWHERE: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, and IPv4 in the oldest form
        "100::/64",
        "fe80::/10",
        "ff00::/8",
    )
)
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "64:ff9b:1::/48",
        "fc00::/7",
        "fec0::/10",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOW_32: Final = 0xFFFF_FFFF


class Reach(Enum):
    NOWHERE = "nowhere"
    PRIVATE = "private"
    PUBLIC = "public"


def plain(address: str | Ip) -> Ip:
    """The IPv4 address in an IPv6 one that wraps it, else itself.

    Raises:
        ValueError: no address.
    """
    ip = unmapped(ip_address(address))
    if isinstance(ip, IPv4Address):
        return ip
    wrapped = ip.sixtofour
    if wrapped is None and ip in _NAT64:
        wrapped = IPv4Address(int(ip) & _LOW_32)
    return wrapped or ip


def reach_of(address: str, *, internal: Sequence[Network] = ()) -> Reach:
    """internal: networks of our own, which count as public."""
    ip = plain(address)
    if _is_in(ip, internal):
        return Reach.PUBLIC
    if _is_in(ip, _NOWHERE):
        return Reach.NOWHERE
    return Reach.PRIVATE if _is_in(ip, _PRIVATE) else Reach.PUBLIC


def _is_in(ip: Ip, networks: Sequence[Network]) -> bool:
    return any(ip.version == one.version and ip in one for one in networks)
