"""The addresses of one list, and what each is for.

    animateurs@              posts
    animateurs-owner@        its owners
    animateurs-bounces@      what could not be delivered; `-bounces+17.SIGN@`: to member 17
    animateurs-subscribe@    joins
    animateurs-unsubscribe@  leaves
    animateurs-confirm@      `-confirm+TOKEN@`: yes, I asked for it
    animateurs-moderate@     `-moderate+TOKEN@`: a moderator's verdict
    animateurs-help@         says all this

All stand in the table of addresses, so that nobody else gets one of them.
"""

from __future__ import annotations

from enum import Enum

from mailserver.lists.tokens import Subscriber, sign_probe, sign_subscriber
from mailserver.store.ports.lists import MailingList
from mailserver.values.address import fold_local, split_plus
from mailserver.values.ids import ListId

PREFIX_OF_HOP = "list:"
MAX_NAME_LENGTH = 36
"""Of the part before the at sign: its longest address still has 64 octets (RFC 5321 §4.5.3.1)."""


class ListPurpose(Enum):
    POST = ""
    OWNER = "-owner"
    BOUNCES = "-bounces"
    SUBSCRIBE = "-subscribe"
    UNSUBSCRIBE = "-unsubscribe"
    CONFIRM = "-confirm"
    MODERATE = "-moderate"
    HELP = "-help"


BOUNCES_MARK = f"{ListPurpose.BOUNCES.value}+"
"""Stands in each reverse-path that names a reader: what lacks it needs no look-up."""


def next_hop_of(list_id: ListId) -> str:
    """The name under which copies for a list wait."""
    return f"{PREFIX_OF_HOP}{list_id}"


def list_of_hop(next_hop: str) -> ListId | None:
    """None: another kind of next hop."""
    number = next_hop.removeprefix(PREFIX_OF_HOP)
    is_list = next_hop.startswith(PREFIX_OF_HOP) and number.isascii() and number.isdigit()
    return ListId(int(number)) if is_list else None


def addresses_of(address: str) -> tuple[str, ...]:
    """All of a list's addresses; where posts go is the first."""
    return tuple(address_for(address, purpose) for purpose in ListPurpose)


def address_for(address: str, purpose: ListPurpose, detail: str = "") -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}{purpose.value}{'+' if detail else ''}{detail}@{domain}"


def purpose_of(which: MailingList, recipient: str) -> tuple[ListPurpose, str]:
    """(what a recipient that led to this list is for, what stands behind the plus)."""
    own = fold_local(which.address.rpartition("@")[0])
    base, detail = split_plus(recipient.rpartition("@")[0])
    folded = fold_local(base)
    for purpose in ListPurpose:
        if folded == own + purpose.value:
            return purpose, detail
    return ListPurpose.POST, detail


def bounces_address(which: MailingList, who: Subscriber | None = None) -> str:
    """The reverse-path of what goes to one reader; None: to several."""
    detail = "" if who is None else sign_subscriber(which.secret, who)
    return address_for(which.address, ListPurpose.BOUNCES, detail)


def probe_address(which: MailingList, member_id: int) -> str:
    """The reverse-path of what shows whether a member can be reached."""
    return address_for(which.address, ListPurpose.BOUNCES, sign_probe(which.secret, member_id))


def id_of(which: MailingList) -> str:
    """The identifier of RFC 2919 §2: the address with a dot for its at sign."""
    local, _, domain = which.address.rpartition("@")
    return f"{local}.{domain}".lower()
