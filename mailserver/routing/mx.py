"""From the MX records of a domain to the hosts to try, in order: facts in, decisions out.

RFC 5321 §5.1: the lowest preference first, equal ones in any order, and never
a host that is no nearer than ourselves.  RFC 7505: a single record with the
root as its host says that the domain takes no mail.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

from mailserver.values.address import fold_domain

MAX_HOSTS: Final = 20  # a domain with more is a mistake or an attack
MAX_ADDRESSES: Final = 8  # of one host

IpChoice = Literal["both", "ipv4", "ipv6"]
Shuffle = Callable[[list["MxRecord"]], None]


@dataclass(frozen=True, slots=True)
class MxRecord:
    """host: A-labels in lower case, without the final dot; empty for the root."""

    preference: int
    host: str


class NullMx:
    """The domain takes no mail (RFC 7505 §3)."""


def order_hosts(
    records: Sequence[tuple[int, str]], *, shuffle: Shuffle
) -> tuple[MxRecord, ...] | NullMx:
    """The hosts to try in order, each once, at most `MAX_HOSTS`.

    records: preference and host, at least one, in any order.
    shuffle: puts a list in a random order, as `random.shuffle`.
    """
    named = [MxRecord(preference, fold_domain(host)) for preference, host in records]
    hosts = [record for record in named if record.host]
    if not hosts:
        return NullMx()
    shuffle(hosts)
    hosts.sort(key=lambda record: record.preference)
    best = {record.host: record for record in reversed(hosts)}
    return tuple(record for record in hosts if best[record.host] is record)[:MAX_HOSTS]


def cut_loop(hosts: Sequence[MxRecord], ours: Collection[str]) -> tuple[MxRecord, ...]:
    """What is nearer to the domain than we are; all of it if we are not among the hosts."""
    limits = [record.preference for record in hosts if record.host in ours]
    if not limits:
        return tuple(hosts)
    return tuple(record for record in hosts if record.preference < min(limits))


def order_addresses(
    ipv4: Sequence[str], ipv6: Sequence[str], *, choice: IpChoice
) -> tuple[str, ...]:
    """The two families by turns, IPv6 first (RFC 8305 §4), at most `MAX_ADDRESSES`."""
    sixes = list(ipv6) if choice != "ipv4" else []
    fours = list(ipv4) if choice != "ipv6" else []
    mixed: list[str] = []
    while sixes or fours:
        mixed += [family.pop(0) for family in (sixes, fours) if family]
    return tuple(mixed[:MAX_ADDRESSES])


def parse_literal(next_hop: str) -> str | None:
    """The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3); None: no literal.

    Raises:
        ValueError: brackets around something else.
    """
    if not next_hop.startswith("["):
        return None
    if not next_hop.endswith("]"):
        raise ValueError(f"{next_hop!r} has no closing bracket")
    inner = next_hop[1:-1]
    is_tagged = inner[:5].lower() == "ipv6:"
    address: IPv4Address | IPv6Address = ip_address(inner[5:] if is_tagged else inner)
    if is_tagged and address.version != 6:
        raise ValueError(f"{next_hop!r} is no IPv6 address")
    return str(address)
