"""Does a peer still live?  What TCP knows of it (tcp(7)).

Keepalive finds a peer that has gone while nothing is said.  TCP_USER_TIMEOUT bounds how long
what we sent may stay unacknowledged; it also ends a living peer whose window stays shut (virus
scanners and printers do that for minutes), so it is long, and it stretches the kernel's own
keepalive.  So whoever keeps connections looks at TCP_INFO too:

    `has_vanished`  silent for the whole of keepalive, its last probes unanswered: end it
    `is_suspect`    silent for some time, a probe or a retransmission unanswered: not yet the
                    end, but somebody else may be let in.  Twice in a row, apart: an answer
                    may be under way

A peer that lives and reads nothing acknowledges each probe of its shut window, so it is
neither, however long it takes.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from mailserver.settings.model import ConnectionsSettings

# struct tcp_info of linux/tcp.h: eight octets, then 32-bit numbers.
_TCP_INFO = struct.Struct("=8B24I")
_RETRANSMITS, _PROBES = 2, 3
_UNACKED, _LAST_ACK_RECV = 8 + 4, 8 + 12  # the latter in milliseconds


class HasOptions(Protocol):
    """A socket, or what a loop shows of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Vitals:
    """Of one connection.

    probes: of keepalive or of a shut window, since the last acknowledgement.
    """

    acknowledged_s: float  # ago
    probes: int
    retransmits: int
    unacked: int  # segments


def keep_alive(listening: socket.socket, settings: ConnectionsSettings) -> None:
    """For all connections that will be accepted here: they inherit it."""
    options = {
        "TCP_KEEPIDLE": int(settings.keepalive_s),
        "TCP_KEEPINTVL": int(settings.keepalive_probe_s),
        "TCP_KEEPCNT": settings.keepalive_probes,
        "TCP_USER_TIMEOUT": int(settings.unacknowledged_s * 1000),
    }
    with suppress(OSError):  # a socket that is no TCP
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):  # else another system than Linux
                listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def read_vitals(sock: HasOptions | Any) -> Vitals | None:
    """None: the system does not tell, or the socket is closed."""
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        facts = _TCP_INFO.unpack(told)
    except (OSError, struct.error):
        return None
    return Vitals(
        acknowledged_s=facts[_LAST_ACK_RECV] / 1000.0,
        probes=facts[_PROBES],
        retransmits=facts[_RETRANSMITS],
        unacked=facts[_UNACKED],
    )


def has_vanished(vitals: Vitals, settings: ConnectionsSettings) -> bool:
    """Keepalive's own judgement, which TCP_USER_TIMEOUT puts off."""
    after_s = settings.keepalive_s + settings.keepalive_probes * settings.keepalive_probe_s
    return vitals.acknowledged_s >= after_s and vitals.probes >= settings.keepalive_probes


def is_suspect(vitals: Vitals, *, after_s: float) -> bool:
    """Has it acknowledged nothing for so long, although it was asked to?"""
    is_asked = vitals.probes > 0 or vitals.retransmits > 0
    return vitals.acknowledged_s >= after_s and is_asked
