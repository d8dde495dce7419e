"""Where an address of our own domains leads, with what the directory knows.

    own entry: the exact address, then the mailbox before the plus;
    the same two at the principal domain, where the address names another domain
        of ours: who has an address there has it at all of our domains;
    the two names that every domain must answer (RFC 5321 §4.5.1, RFC 2142):
        postmaster and abuse;
    the catch-all of the domain, if it has one.

`Elsewhere` is for the relay, `Misplaced` for whoever changed the service's domain.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from mailserver.settings.model import Settings
from mailserver.store.outside import Outsiders, former_domains, not_given_up
from mailserver.store.ports.accounts import Account
from mailserver.store.ports.people import Life
from mailserver.store.ports.targets import Target
from mailserver.values.address import (
    PLUS,
    Address,
    fold_domain,
    fold_local,
    is_dot_string,
    is_spelled_out,
    split_plus,
)
from mailserver.values.ids import MailboxId
from mailserver.values.message import Deposit

ALWAYS_DELIVERABLE = frozenset({"postmaster", "abuse", "mailer-daemon"})
_ROUTING_MARKS = frozenset("%!@")

Found = TypeVar("Found")
Held_co = TypeVar("Held_co", covariant=True)
FindMailbox = Callable[[str], MailboxId | None]


@dataclass(frozen=True, slots=True)
class Unknown:
    """One of our domains, and nobody there has that name."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Not one of our domains."""

    domain: str


@dataclass(frozen=True, slots=True)
class Misplaced(Generic[Held_co]):
    """Not one of our domains, and yet the directory has the address: somebody changed a setting.

    Mail from outside is put off; what the service itself sends is for `found`, as ever.
    """

    found: Held_co


LocalRoute = Deposit | Unknown | Elsewhere
_UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class OurDomains:
    """Folded (`fold_domain`); `principal`: the one whose addresses answer at all of them.

    catch_all: domain -> key of the address that gets what nobody there has.
    held: domains that are not ours, at which the directory holds addresses all the same, or
        whose people answered there while they were ours.
    former: domain -> principal domains by which its people answered before a setting changed.
    """

    names: frozenset[str]
    principal: str
    catch_all: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, store: Outsiders | None = None) -> OurDomains:
        """store: read once, for `held` and `former`; None: where nobody asks for them.

        A domain that a rule sends somewhere by its name is where its rule says.
        """
        service = settings.service
        names = frozenset(map(fold_domain, service.domains))
        catch_all = {fold_domain(one.domain): _key(one.address) for one in settings.catch_all}
        held: frozenset[str] = frozenset()
        former: Mapping[str, tuple[str, ...]] = {}
        if store is not None:
            outside = store.find_outside(names)
            former = former_domains(settings, outside)
            held = not_given_up(settings, {*outside.domains, *catch_all}) | former.keys()
        return cls(names, fold_domain(service.domain), catch_all, held - names, former)

    def former_of(self, domain: str) -> tuple[str, ...]:
        return self.former.get(domain, ())


def find_local(
    address: Address,
    *,
    ours: OurDomains,
    find: Callable[[str], Found | None],
    postmaster: Found | None,
) -> Found | Unknown | Elsewhere | Misplaced[Found]:
    """Look one recipient up.

    find: looks a key up in the directory; once for most, at most five times.
    postmaster: what the account named at `init` has; None only in a broken store.
    """
    local = fold_local(address.local)
    domain = fold_domain(address.domain)
    if domain in ours.names:
        found = find(f"{local}@{domain}")
        return found if found is not None else _find_on(local, domain, ours, find, postmaster)
    if domain in ours.held:
        held = _find_held(local, domain, ours, find, postmaster)
        return Elsewhere(domain) if held is None else Misplaced(held)
    if domain:
        return Elsewhere(domain)
    # RFC 5321 §4.5.1: the bare <postmaster>
    return _UNKNOWN if local != "postmaster" or postmaster is None else postmaster


def _find_held(
    local: str,
    domain: str,
    ours: OurDomains,
    find: Callable[[str], Found | None],
    postmaster: Found | None,
) -> Found | None:
    """At a domain that was ours: whoever has that address there, or had it by its principal."""
    found = find(f"{local}@{domain}")
    if found is not None:
        return found
    found_on = at_home(_find_on(local, domain, replace(ours, principal=domain), find, postmaster))
    return None if isinstance(found_on, Unknown | Elsewhere) else found_on


def at_home(found: Found | Unknown | Elsewhere | Misplaced[Found]) -> Found | Unknown | Elsewhere:
    """For what the service itself sends: it reaches them whatever the domain is called now."""
    return found.found if isinstance(found, Misplaced) else found


def _find_on(
    local: str,
    domain: str,
    ours: OurDomains,
    find: Callable[[str], Found | None],
    postmaster: Found | None,
) -> Found | Unknown | Misplaced[Found]:
    """The exact address is nobody's."""
    for key in _other_keys(local, domain, ours.principal):
        found = find(key)
        if found is not None:
            return found
    if domain in ours.former:  # not to whoever catches all, nor for good to nobody
        for key in former_keys(local, domain, ours):
            found = find(key)
            if found is not None:
                return Misplaced(found)
    if split_plus(local)[0] in ALWAYS_DELIVERABLE and postmaster is not None:
        return postmaster
    if not _ROUTING_MARKS.isdisjoint(local):  # another address in it: somebody tries to relay
        return _UNKNOWN
    catch_all = ours.catch_all.get(domain)
    found = None if catch_all is None else find(catch_all)
    return _UNKNOWN if found is None else found


def _other_keys(local: str, domain: str, principal: str) -> Iterable[str]:
    """Whose mail it is where nobody has the exact address, in this order."""
    base, detail = split_plus(local)
    if detail:
        yield f"{base}@{domain}"
    if domain != principal:
        yield f"{local}@{principal}"
        if detail:
            yield f"{base}@{principal}"


def former_keys(local: str, domain: str, ours: OurDomains) -> Iterator[str]:
    """Whose mail it was, folded, before a setting changed."""
    for principal in ours.former_of(domain):
        if principal != domain:
            yield from (key for key in _other_keys(local, domain, principal))


def decide_local(
    address: Address,
    *,
    ours: OurDomains,
    find_mailbox: FindMailbox,
    postmaster_mailbox: MailboxId | None,
) -> LocalRoute:
    """`find_local` where nothing but the mailbox counts: reports, explanations."""
    looked = find_local(address, ours=ours, find=find_mailbox, postmaster=postmaster_mailbox)
    found = at_home(looked)
    return found if isinstance(found, Unknown | Elsewhere) else Deposit(mailbox_id=found)


def owns(
    address: Address,
    *,
    ours: OurDomains,
    owns_key: Callable[[str], bool],
    is_given: Callable[[str], bool],
    spelling_of: Callable[[str], str],
) -> bool:
    """May this account write under this address?

    It may where mail for the address comes to it by the address itself, the mailbox before
    the plus, or the same two at the principal domain; not where a catch-all brings it.  And
    it must be spelled as it was given, but for the case: `márie@` and full-width letters lead
    to marie@, and look like somebody else's.

    is_given: has anybody that very address?  spelling_of: an address of ours as it was given.
    """
    local, domain = fold_local(address.local), fold_domain(address.domain)
    if domain not in ours.names or not is_dot_string(address.local):
        return False
    for key in (f"{local}@{domain}", *_other_keys(local, domain, ours.principal)):
        if owns_key(key):
            return _is_spelled_so(address, spelling_of, key)
        if is_given(key):
            return False
    return False


def _is_spelled_so(address: Address, spelling_of: Callable[[str], str], key: str) -> bool:
    if not is_spelled_out(address.domain):
        return False
    if address.local.isascii():
        return True
    given = spelling_of(key).rpartition("@")[0]
    typed = address.local if PLUS in given else split_plus(address.local)[0]
    return _lowered(typed) == _lowered(given)


def _lowered(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _key(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return Address(local, domain).key


def always_open(account: Account) -> Target:
    """Mail for postmaster is never refused for want of room (RFC 5321 §4.5.1)."""
    return Target(
        mailbox_id=account.inbox_id,
        list_id=None,
        account_id=account.account_id,
        class_name="",
        used_octets=0,
        used_count=0,
        life=Life.PRESENT,
        forward_to="",
        keeps_copy=True,
    )
