"""Addresses that the directory holds at domains which are not ours any more.

A domain that was changed in the settings (`service.domain`, `extra_domains`,
`MAIL_DOMAIN` of a container) leaves them behind.  To refuse their mail for good
would lose it; so the doors say "not now", and somebody is told.

Most people's addresses are at the principal domain, and answer at the others by it.
So the keeper writes down at each start which domains are ours and by which principal:
what a setting does not say any more is still known.  `service.former_domains` ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from mailserver.settings.model import Settings
from mailserver.values.address import fold_domain


@dataclass(frozen=True, slots=True)
class Outside:
    """domains: folded -> how many addresses.  account_count: who has no other address.

    served: (domain, principal): who had an address at the second answered at the first.
    """

    domains: Mapping[str, int]
    account_count: int
    list_count: int
    served: frozenset[tuple[str, str]] = frozenset()


NOBODY_OUTSIDE = Outside({}, 0, 0)


class Outsiders(Protocol):
    def find_outside(self, ours: Collection[str]) -> Outside:
        """ours: folded.  Reads all addresses: for a start, or a command."""
        ...


class NotesOwn(Outsiders, Protocol):
    """By the keeper only."""

    def note_served(self, ours: Collection[str], *, principal: str) -> None:
        """These are ours now.  Durable when it returns; writes nothing that is known."""
        ...


def folded_domains(settings: Settings) -> list[str]:
    """Ours, as `find_outside` wants them."""
    return list(map(fold_domain, settings.service.domains))


def former_domains(settings: Settings, outside: Outside) -> dict[str, tuple[str, ...]]:
    """Domain -> the domains whose people answered there, and do not now for want of a setting.

    Not where a rule says where it goes, nor what `service.former_domains` gives up.
    """
    ours = frozenset(folded_domains(settings))
    ended = _given_up(settings)
    former: dict[str, tuple[str, ...]] = {}
    for domain, by in sorted(outside.served):
        is_now = domain in ours and by in ours
        is_anybody = by in ours or by in outside.domains
        if is_anybody and not is_now and domain not in ended and by not in ended:
            former[domain] = (*former.get(domain, ()), by)
    return former


def not_given_up(settings: Settings, domains: Collection[str]) -> frozenset[str]:
    """Of folded ones, those that neither a rule nor `service.former_domains` names."""
    return frozenset(domains) - _given_up(settings)


def _given_up(settings: Settings) -> frozenset[str]:
    ruled = (fold_domain(name) for rule in settings.routes for name in rule.recipient_domains)
    return frozenset({*ruled, *map(fold_domain, settings.service.former_domains)})


def outside_warnings(settings: Settings, outside: Outside) -> Iterator[str]:
    """One line each, with numbers and what to do; none: everybody is at home."""
    kept = not_given_up(settings, outside.domains)
    counts = {name: count for name, count in outside.domains.items() if name in kept}
    if (warning := outside_warning(replace(outside, domains=counts))) is not None:
        yield warning
    ours = frozenset(folded_domains(settings))
    alone = [
        domain
        for domain in former_domains(settings, outside)
        if domain not in ours and domain not in outside.domains
    ]
    if alone:
        yield (
            f"{_listed(alone)} was ours, and is not among service.domain and extra_domains: mail"
            " for whoever answered there is put off (451 4.3.5) until one of the two says so;"
            " write it in service.former_domains if it is given up"
        )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def outside_warning(outside: Outside) -> str | None:
    """One line, with numbers and what to do; None: everybody is at home."""
    if not outside.domains:
        return None
    names = sorted(outside.domains, key=lambda name: -outside.domains[name])
    count = sum(outside.domains.values())
    what = [f"{count:,} {'address' if count == 1 else 'addresses'}"]
    if outside.account_count:
        accounts = "account has" if outside.account_count == 1 else "accounts have"
        what.append(f"{outside.account_count:,} {accounts} no other")
    if outside.list_count:
        what.append(f"{outside.list_count:,} are of lists")
    return (
        f"the directory holds {'; '.join(what)}: at {_listed(names)}, which is not among"
        " service.domain and extra_domains: mail for them is put off (451 4.3.5) until one of the"
        " two says so; write it in service.former_domains if it is given up"
    )
