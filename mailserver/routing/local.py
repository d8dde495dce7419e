"""Where an address of our own domains leads: the pure part of routing.

The exact address first, then the mailbox before the plus, then the two names
that every domain must answer (RFC 5321 §4.5.1, RFC 2142): postmaster and
abuse.  `Elsewhere` is for the relay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from mailserver.values.address import Address, fold_domain, fold_local, split_plus
from mailserver.values.ids import MailboxId
from mailserver.values.message import Deposit

FindMailbox = Callable[[str], MailboxId | None]
ALWAYS_DELIVERABLE = frozenset({"postmaster", "abuse"})


@dataclass(frozen=True, slots=True)
class Unknown:
    """One of our domains, and nobody there has that name."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Not one of our domains."""

    domain: str


LocalRoute = Deposit | Unknown | Elsewhere


def decide_local(
    address: Address,
    *,
    domains: Collection[str],
    find_mailbox: FindMailbox,
    postmaster_mailbox: MailboxId | None,
) -> LocalRoute:
    """Decide the route of one recipient.

    domains: ours, folded (`fold_domain`), the principal one first where order is kept.
    find_mailbox: looks a key up in the directory; at most two calls.
    postmaster_mailbox: of the account named at `init`; None only in a broken store.
    """
    local = fold_local(address.local)
    domain = fold_domain(address.domain)
    if not domain:  # RFC 5321 §4.5.1: the bare <postmaster>
        return _postmaster(postmaster_mailbox) if local == "postmaster" else Unknown()
    if domain not in domains:
        return Elsewhere(domain)
    mailbox_id = find_mailbox(f"{local}@{domain}")
    base, detail = split_plus(local)
    if mailbox_id is None and detail:
        mailbox_id = find_mailbox(f"{base}@{domain}")
    if mailbox_id is not None:
        return Deposit(mailbox_id=mailbox_id)
    return _postmaster(postmaster_mailbox) if base in ALWAYS_DELIVERABLE else Unknown()


def _postmaster(mailbox_id: MailboxId | None) -> LocalRoute:
    return Unknown() if mailbox_id is None else Deposit(mailbox_id=mailbox_id)
