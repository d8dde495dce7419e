"""Addresses that the directory holds at domains which are not ours any more.

A domain that was changed in the settings (`service.domain`, `extra_domains`,
`MAIL_DOMAIN` of a container) leaves them behind.  To refuse their mail for good
would lose it; so the doors say "not now", and somebody is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from mailserver.settings.model import Settings
from mailserver.values.address import fold_domain


@dataclass(frozen=True, slots=True)
class Outside:
    """domains: folded -> how many addresses.  account_count: who has no other address."""

    domains: Mapping[str, int]
    account_count: int
    list_count: int


NOBODY_OUTSIDE = Outside({}, 0, 0)


class Outsiders(Protocol):
    def find_outside(self, ours: Collection[str]) -> Outside:
        """ours: folded.  Reads all addresses: for a start, or a command."""
        ...


def folded_domains(settings: Settings) -> list[str]:
    """Ours, as `find_outside` wants them."""
    return list(map(fold_domain, settings.service.domains))


def outside_warning(outside: Outside) -> str | None:
    """One line, with numbers and what to do; None: everybody is at home."""
    if not outside.domains:
        return None
    names = sorted(outside.domains, key=lambda name: -outside.domains[name])
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    count = sum(outside.domains.values())
    what = [f"{count:,} {'address' if count == 1 else 'addresses'}"]
    if outside.account_count:
        accounts = "account has" if outside.account_count == 1 else "accounts have"
        what.append(f"{outside.account_count:,} {accounts} no other")
    if outside.list_count:
        what.append(f"{outside.list_count:,} are of lists")
    return (
        f"the directory holds {'; '.join(what)}: at {shown}, which is not among service.domain and"
        " extra_domains: mail for them is put off (451 4.3.5) until one of the two says so"
    )
