"""What one question to the name servers came to.

| answer     | rcode and content                              | for mail           |
| ---------- | ---------------------------------------------- | ------------------ |
| Found      | NOERROR with records                           | a plan             |
| NoData     | NOERROR without a record of this type          | look further       |
| NoSuchName | NXDOMAIN                                       | permanent          |
| Unanswered | SERVFAIL, REFUSED, nonsense, silence, a loop   | temporary, always  |

`is_authentic` is the AD bit as the resolver set it (RFC 4035 §3.2.3); whether
it is believed is for `validation` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dns.rdata import Rdata


class RecordType(Enum):
    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    TLSA = "TLSA"
    TXT = "TXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """canonical: where aliases led, A-labels without the final dot.  ttl_s: what is left of it."""

    records: tuple[Rdata, ...]
    canonical: str
    is_authentic: bool
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """The name exists, and has nothing of this type."""

    is_authentic: bool
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchName:
    is_authentic: bool
    ttl_s: float


class Lapse(Enum):
    """Why there is no answer that can be used."""

    SILENT = "no server answered in time"
    LATE = "all questions about one destination took too long"
    FAILED = "SERVFAIL: the server could not find out"
    REFUSED = "REFUSED and other codes: the server does not answer us"
    MALFORMED = "a record or an answer that cannot be read"
    BOGUS = "signatures that do not hold (DNSSEC)"
    LAME = "none of the zone's own servers can be asked"
    ASTRAY = "aliases without an end, records of another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """why: in words for a journey."""

    why: str
    ttl_s: float
    lapse: Lapse = Lapse.FAILED


Answer = Found | NoData | NoSuchName | Unanswered


class Resolver(Protocol):
    async def ask(self, name: str, record_type: RecordType) -> Answer:
        """name: A-labels, without the final dot (the root is empty).  Never raises."""
        ...

    async def close(self) -> None:
        """Stop asking.  May be called again."""
        ...
