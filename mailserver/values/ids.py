"""Identifiers of the things that the store keeps, each a type of its own.

An `AcceptId` is made by the door before anything is written, so that the trace
header can quote it and an ambiguous commit can be looked up.  It begins with
the time, so ids made later sort later.
"""

from __future__ import annotations

import base64
from typing import NewType

AccountId = NewType("AccountId", int)
MailboxId = NewType("MailboxId", int)
MessageId = NewType("MessageId", int)
Uid = NewType("Uid", int)
"""Number of an entry inside one mailbox: 1-based, ascending, never reused."""
UnitId = NewType("UnitId", int)
ListId = NewType("ListId", int)
DestinationId = NewType("DestinationId", int)
AgentId = NewType("AgentId", int)
"""One run of one delivery agent; a successor has another."""
AcceptId = NewType("AcceptId", bytes)
"""15 octets: 6 of milliseconds since 1970 (big endian), 9 of randomness."""

_TIME_OCTETS = 6
_RANDOM_OCTETS = 9
ACCEPT_ID_OCTETS = _TIME_OCTETS + _RANDOM_OCTETS


def make_accept_id(now_s: float, random_octets: bytes) -> AcceptId:
    """Put the time before 9 octets of the caller's randomness.

    Raises:
        ValueError: `random_octets` is not 9 octets long.
    """
    if len(random_octets) != _RANDOM_OCTETS:
        raise ValueError(f"{_RANDOM_OCTETS} random octets wanted, got {len(random_octets)}")
    return AcceptId(int(now_s * 1000).to_bytes(_TIME_OCTETS, "big") + random_octets)


_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 §6, in lower case
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]  # of ten bits each
_SHIFTS = range(ACCEPT_ID_OCTETS * 8 - 10, -1, -10)


def accept_id_text(accept_id: AcceptId) -> str:
    """The id as people and trace headers see it: 24 lower-case characters of base 32."""
    number = int.from_bytes(accept_id, "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def parse_accept_id(text: str) -> AcceptId:
    """The reverse of `accept_id_text`; case does not matter.

    Raises:
        ValueError: not the text of an accept id.
    """
    octets = base64.b32decode(text, casefold=True)
    if len(octets) != ACCEPT_ID_OCTETS:
        raise ValueError(f"an id of {ACCEPT_ID_OCTETS} octets wanted, got {len(octets)}")
    return AcceptId(octets)
