"""Names for new people and establishments: numbered past everybody who ever had one.

Invariant: within one plan, and against the store, no name is given twice, and
no number of a base either.  What the plan gives is remembered here; what the
store gave, it is asked for once per base.
"""

from __future__ import annotations

from collections.abc import Callable

from mailserver.people.names import address_base, identifier_base, is_numbered, numbered
from mailserver.people.reserved import is_reserved
from mailserver.store.ports.people import Doc, Names
from mailserver.values.address import fold_domain, fold_local

_EVER_S = 0.0
"""At that moment every quarantine was to come: what we number was never anybody's."""
Homonym = tuple[str, int]
"""(base_key, number), as `Change.homonyms` wants it."""


class NameGiver:
    """domain: whose addresses are given."""

    def __init__(self, names: Names, *, domain: str, now_s: float) -> None:
        self._names, self._now_s = names, now_s
        self._domain, self._domain_key = domain, fold_domain(domain)
        self._last: dict[str, int] = {}
        self._given: set[str] = set()

    def identifier(self, given_name: str, surname: str) -> tuple[str, Homonym]:
        base = identifier_base(given_name, surname)
        return self._next(base, base, lambda name: (name, name))

    def address(self, given_name: str, surname: str) -> tuple[str, Homonym]:
        return self._next_address(address_base(given_name, surname))

    def alias(self, local: str) -> tuple[str, Homonym]:
        """Of an establishment, from the rules: numbered where another has it."""
        return self._next_address(local)

    def is_free(self, address: str) -> bool:
        """An address that was asked for as it is."""
        key = self.key(address)
        return key not in self._given and self._names.who_had(key, now_s=self._now_s) is None

    def may_have_back(self, doc: Doc, name: str) -> bool:
        """Is a name of somebody who was gone still theirs, or nobody's?"""
        key = self.key(name)
        if key in self._given:
            return False
        given = self._names.given_to(doc, now_s=self._now_s)
        return key in given or self._names.who_had(key, now_s=self._now_s) is None

    def take(self, name: str) -> None:
        """Someone keeps it, or has it by rule: nobody else gets it."""
        self._given.add(self.key(name))

    def key(self, name: str) -> str:
        local, at, domain = name.rpartition("@")
        return f"{fold_local(local)}@{fold_domain(domain)}" if at else fold_local(name)

    def at_domain(self, local: str) -> str:
        return f"{local}@{self._domain}"

    def had(self, doc: Doc, base: str) -> str | None:
        """The address of this base that the subject has, or had and may have back."""
        for address in (*doc.addresses, *self._names.given_to(doc, now_s=self._now_s)):
            local, _, domain = address.rpartition("@")
            if fold_domain(domain) == self._domain_key and is_numbered(local, base):
                return address if address in doc.addresses else self.at_domain(local)
        return None

    def _next_address(self, base: str) -> tuple[str, Homonym]:
        base_key = f"{base}@{self._domain_key}"
        return self._next(
            base,
            base_key,
            lambda local: (f"{local}@{self._domain}", f"{local}@{self._domain_key}"),
        )

    def _next(
        self, base: str, base_key: str, shape: Callable[[str], tuple[str, str]]
    ) -> tuple[str, Homonym]:
        number = self._last.get(base_key)
        if number is None:
            number = self._names.last_homonym(base_key)
        while True:
            number += 1
            name, key = shape(numbered(base, number))
            if key in self._given or is_reserved(name):
                continue
            if self._names.who_had(key, now_s=_EVER_S) is None:
                break
        self._last[base_key] = number
        self._given.add(key)
        return name, (base_key, number)
