"""May an account write under an address?  Asked for MAIL, and for From and Sender."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mailserver.routing.local import OurDomains, former_keys, owns
from mailserver.store.ports.targets import Target
from mailserver.values.address import Address, fold_domain, fold_local, split_plus
from mailserver.values.ids import AccountId
from smtp_relay.inbound import replies
from smtp_relay.inbound.replies import Phrase


class GivenAddresses(Protocol):
    def owns_address(self, account_id: AccountId, address_key: str) -> bool: ...

    def spelling_of(self, address_key: str) -> str: ...


class LocalTargets(Protocol):
    def find_target(self, address_key: str) -> Target | None: ...


class Ownership:
    """Of one account, for one command.

    is_misplaced: some address that was asked for is the account's, at a domain that is not ours
        any more: then nobody's fault is for good.
    """

    __slots__ = ("_account_id", "_accounts", "_ours", "_people", "is_misplaced")

    def __init__(
        self,
        accounts: GivenAddresses,
        people: LocalTargets,
        ours: OurDomains,
        account_id: AccountId,
    ) -> None:
        self._accounts = accounts
        self._people = people
        self._ours = ours
        self._account_id = account_id
        self.is_misplaced = False

    def __call__(self, address: Address) -> bool:
        accounts, account_id = self._accounts, self._account_id
        is_own = owns(
            address,
            ours=self._ours,
            owns_key=lambda key: accounts.owns_address(account_id, key),
            is_given=lambda key: self._people.find_target(key) is not None,
            spelling_of=accounts.spelling_of,
        )
        domain = fold_domain(address.domain)
        if not is_own and (domain in self._ours.held or domain in self._ours.former):
            keys = _keys(address, self._ours)
            self.is_misplaced |= any(accounts.owns_address(account_id, key) for key in keys)
        return is_own


def excused(refusal: Phrase, ownership: Ownership | None) -> Phrase:
    """What is refused only because of a domain that was changed here is put off instead."""
    if ownership is not None and ownership.is_misplaced and refusal in _OF_ADDRESSES:
        return replies.DOMAIN_NOT_SET
    return refusal


def _keys(address: Address, ours: OurDomains) -> Iterable[str]:
    local, domain = fold_local(address.local), fold_domain(address.domain)
    yield f"{local}@{domain}"
    base, detail = split_plus(local)
    if detail:
        yield f"{base}@{domain}"
    yield from former_keys(local, domain, ours)


_OF_ADDRESSES = frozenset({replies.NOT_YOUR_ADDRESS, replies.NOT_YOUR_FROM})
