"""Where a copy goes and how: what `resolve.hop_resolver` finds out and `client` carries out.

Values only.  A host is tried at each of its addresses in order, then the next
host; what a host must prove before it gets a message is its `TlsDemand`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from mailserver.values.secret import Secret


class TlsLevel(IntEnum):
    """What a connection must have, weakest first."""

    NONE = 0  # STARTTLS is not even tried
    OPPORTUNISTIC = 1  # any certificate; in clear where TLS fails
    ENCRYPT = 2  # any certificate; never in clear
    VERIFY = 3  # a certificate that the system trusts, for one of `names`
    DANE = 4  # a certificate that a TLSA record names (RFC 7672)


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One usable TLSA record (RFC 6698 §2.1); usage is 2 (DANE-TA) or 3 (DANE-EE)."""

    usage: int
    selector: int  # 0 the certificate, 1 its public key
    matching: int  # 0 exact, 1 SHA-256, 2 SHA-512
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsDemand:
    """source: where it comes from, for journeys: "DANE", "MTA-STS enforce", "route NAME", ...

    names: the first is also what the client asks for in the handshake (SNI;
        RFC 7672 §8.1); none: the host's own name.
    """

    level: TlsLevel
    source: str
    names: tuple[str, ...] = ()  # that the certificate may bear; patterns as *.example.net
    tlsa: tuple[Tlsa, ...] = ()
    is_implicit: bool = False  # TLS from the first octet


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One host, the addresses to try in order, and what it must prove.

    preference: hosts that share it stand in a random order, and may be put in another.
    """

    host: str  # A-labels, without the final dot; an address literal without brackets
    addresses: tuple[str, ...]
    port: int
    tls: TlsDemand
    preference: int = 0


class Protocol(Enum):
    SMTP = "smtp"
    LMTP = "lmtp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    user_name: str
    password: Secret[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """The delivery plan of one next hop: its hosts, and what binds the connections to them.

    site: connections and limits are shared by whatever has the same site: the
        set of hosts, and everything that binds a policy to them.
    steps: each look-up and decision in words, for `mailserver route`.
    is_by_dns: the DNS of others says so, or an address literal: no rule of ours.
    valid_until_s: look again after it (monotonic).
    """

    next_hop: str
    site: str
    hops: tuple[Hop, ...]
    protocol: Protocol = Protocol.SMTP
    login: Login | None = None
    max_connections: int = 0  # 0: the service's
    pause_s: float = 0
    is_by_dns: bool = False
    steps: tuple[str, ...] = ()
    valid_until_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unroutable:
    """No plan: for good (NXDOMAIN, null MX, nothing at all) or for now.

    status: enhanced code (RFC 3463).
        5.1.2   no such domain, or nothing there that could take mail
        5.1.3   an address literal that is none
        5.1.10  the domain takes no mail (RFC 7505)
        5.4.4   no host that has an address of another machine
        5.4.6   the best host is ourselves
        5.7.1   a rule refuses it
        4.4.3   name servers did not answer
        4.4.4   no host that has an address
        4.3.5   our own settings: a rule that is gone, a password that cannot be read
        4.7.5   no host can be trusted as its policy demands
    """

    next_hop: str
    is_permanent: bool
    status: str
    words: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diverted:
    """A rule that matches the domain's MX host holds its mail: nothing is tried."""

    next_hop: str
    rule: str  # its name
    reason: str  # for the copies that are held
    steps: tuple[str, ...] = ()


Resolution = DeliveryPlan | Unroutable | Diverted
