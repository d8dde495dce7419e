"""What every connection of an agent is opened with."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailserver.settings.model import DeliverySettings
from smtp_relay.delivery.client.trust import Contexts
from smtp_relay.delivery.verdicts import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long each phase may last without progress (RFC 5321 §4.5.3.2).

    quit_s: how long the answer to QUIT is waited for; nobody depends on it.
    """

    connect_s: float = 30
    handshake_s: float = 30
    greeting_s: float = 300
    command_s: float = 300
    data_s: float = 120
    block_s: float = 180
    dot_s: float = 600
    quit_s: float = 2

    def of(self, phase: Phase) -> float:
        return {
            Phase.CONNECT: self.connect_s,
            Phase.GREETING: self.greeting_s,
            Phase.DATA: self.data_s,
            Phase.BODY: self.block_s,
            Phase.DOT: self.dot_s,
        }.get(phase, self.command_s)

    @property
    def tick_s(self) -> float:
        """How often a connection looks at its clock: a quarter of the shortest, at most 15 s."""
        shortest = min(self.greeting_s, self.command_s, self.data_s, self.block_s, self.dot_s)
        return min(shortest / 4, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """
    hostname: what we call ourselves in EHLO.
    is_still_ours: asked right before the content of a message and before its
        end: False means that the lease is lost, and the peer never sees the dot.
    source_addresses: where connections come from; none: as the system chooses.
    """

    hostname: str
    contexts: Contexts
    is_still_ours: Callable[[], bool]
    times: Times = field(default=Times())
    source_addresses: Sequence[IPv4Address | IPv6Address] = ()

    def source_for(self, address: str) -> tuple[str, int] | None:
        """One of ours in the family of `address`; a peer always meets the same one."""
        version = ip_address(address).version
        ours = [str(one) for one in self.source_addresses if one.version == version]
        return (ours[zlib.crc32(address.encode()) % len(ours)], 0) if ours else None


def make_times(delivery: DeliverySettings) -> Times:
    return Times(
        connect_s=delivery.connect_timeout_s,
        handshake_s=delivery.connect_timeout_s,
        greeting_s=delivery.greeting_timeout_s,
        command_s=delivery.command_timeout_s,
        data_s=delivery.data_timeout_s,
        block_s=delivery.block_timeout_s,
        dot_s=delivery.dot_timeout_s,
    )
