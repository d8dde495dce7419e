"""The open-relay decision: who may send through this service, and where to.

One pure function, `decide_relaying`, and nothing else answers that question.

| who asks                       | ours   | nobody  | elsewhere | a host by its address |
| ------------------------------ | ------ | ------- | --------- | --------------------- |
| a stranger on MX               | accept | unknown | denied    | denied                |
| a trusted network, either port | accept | unknown | accept    | denied                |
| signed in on submission        | accept | unknown | accept    | accept                |
| anybody else on submission     | denied | denied  | denied    | denied                |

An address that many clients share (a container gateway's) is never trusted:
whoever reaches the port would come from it.  Signing in counts on submission
only, because MX never asks for a password.  RFC 5321 §3.6.2, RFC 6409 §3.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum

from mailserver.queue.schedule import Schedule
from mailserver.settings.model import DeliverySettings, RouteSettings
from mailserver.settings.names import is_name_in_dns
from mailserver.values.address import Address, fold_domain

MAX_TEXT_LENGTH = 300
HOUR_S = 3600.0
MINUTE_S = 60.0
_HOSTS_OF_ITS_OWN = frozenset({"smarthost", "lmtp", "hold"})


class Role(Enum):
    """What a listener is for."""

    MX = "mx"  # strangers bring mail for our people
    SUBMISSION = "submission"  # our people send theirs


class RelayPlace(Enum):
    """Where a recipient is."""

    OURS = "ours"  # in a mailbox here, or at a host that a rule names for our domain
    NOBODY = "nobody"  # one of our domains, and nobody there has that name
    ELSEWHERE = "elsewhere"
    LITERAL = "literal"  # another host by its address, as user@[192.0.2.1]


class Relaying(Enum):
    ACCEPT = "accept"
    UNKNOWN = "unknown"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wants to send.

    is_trusted: its address is in `relay.trusted_networks`.
    is_gateway: that address is a gateway's, and says nothing about who connects.
    """

    role: Role
    is_signed_in: bool
    is_trusted: bool
    is_gateway: bool

    @classmethod
    def ourselves(cls) -> Asker:
        """The service, which sends on what came for its people."""
        return cls(role=Role.MX, is_signed_in=False, is_trusted=True, is_gateway=False)

    @property
    def has_account(self) -> bool:
        return self.role is Role.SUBMISSION and self.is_signed_in

    @property
    def is_known(self) -> bool:
        """One of our people or machines, whose mail leaves in our name."""
        return self.has_account or (self.is_trusted and not self.is_gateway)


def decide_relaying(asker: Asker, place: RelayPlace) -> Relaying:
    """May this asker send to a recipient there?"""
    if asker.role is Role.SUBMISSION and not asker.is_known:
        return Relaying.DENIED
    match place:
        case RelayPlace.OURS:
            return Relaying.ACCEPT
        case RelayPlace.NOBODY:
            return Relaying.UNKNOWN
        case RelayPlace.ELSEWHERE:
            return Relaying.ACCEPT if asker.is_known else Relaying.DENIED
        case RelayPlace.LITERAL:
            return Relaying.ACCEPT if asker.has_account else Relaying.DENIED


def is_reachable(recipient: Address, rule: RouteSettings | None) -> bool:
    """Could a domain elsewhere be looked up at all?  Not asked where a rule names the host."""
    if recipient.domain.startswith("[") or (rule is not None and rule.via in _HOSTS_OF_ITS_OWN):
        return True
    return is_name_in_dns(fold_domain(recipient.domain))


def held_for(rule: RouteSettings | None) -> str:
    """Why copies wait for a person; empty where they do not."""
    if rule is None or rule.via != "hold":
        return ""
    return rule.text or f"the route {rule.name} holds it"


def reply_text(rule: RouteSettings) -> str:
    """The text of a rule that refuses, as a reply may carry it: ASCII, one short line."""
    decomposed = unicodedata.normalize("NFKD", rule.text)
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    printable = "".join(c if " " <= c <= "~" else "?" for c in " ".join(kept.split()))
    return printable[:MAX_TEXT_LENGTH]


def make_schedule(delivery: DeliverySettings) -> Schedule:
    """The retries and notices that the settings ask for."""
    return Schedule(
        retry_after_s=tuple(minutes * MINUTE_S for minutes in delivery.retry_minutes),
        expire_after_s=delivery.expire_hours * HOUR_S,
        notice_after_s=tuple(hours * HOUR_S for hours in sorted(delivery.delay_notice_hours)),
    )
