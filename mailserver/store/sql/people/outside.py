"""Addresses at domains that are not ours: one pass over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

from mailserver.store.outside import Outside
from mailserver.store.sql.engine import Engine, first

_SLICE: Final = 5_000

_PAGE = """
    SELECT address_key, list_id FROM address
    WHERE address_key > ? AND mailbox_id IS NOT NULL {away}
        OR address_key > ? AND list_id IS NOT NULL {away}
    ORDER BY address_key LIMIT ?"""
_ACCOUNTS = """
    SELECT count(*) FROM account WHERE identifier_key IS NOT NULL AND life <> 'gone'
        AND EXISTS (SELECT 1 FROM address WHERE address.account_id = account.account_id)
        AND NOT EXISTS (SELECT 1 FROM address
            WHERE address.account_id = account.account_id AND ({here}))"""
_SERVED = "SELECT domain, principal FROM served_domain"
_SERVE = "INSERT INTO served_domain (domain, principal) VALUES (?, ?) ON CONFLICT DO NOTHING"
_IS_AT: Final = "substr(address_key, CAST(length(address_key) - ? AS integer)) = ?"
_IS_NOT_AT: Final = "AND substr(address_key, CAST(length(address_key) - ? AS integer)) <> ?"


class SqlOutsiders:
    """The `Outsiders` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_outside(self, ours: Collection[str]) -> Outside:
        ends = [part for name in sorted(ours) for part in (len(name), f"@{name}")]
        page = _PAGE.format(away=" ".join([_IS_NOT_AT] * len(ours)))
        domains: Counter[str] = Counter()
        list_count, after = 0, ""
        while rows := self._engine.read(page, (after, *ends, after, *ends, _SLICE)):
            domains.update(key.rpartition("@")[2] for key, _ in rows)
            list_count += sum(list_id is not None for _, list_id in rows)
            after = rows[-1][0]
        if not domains:
            return Outside({}, 0, 0, self._served())
        accounts = _ACCOUNTS.format(here=" OR ".join([_IS_AT] * len(ours)))
        row = first(self._engine.read(accounts, ends))
        account_count = 0 if row is None else row[0]
        return Outside(dict(domains), account_count, list_count, self._served())

    def note_served(self, ours: Collection[str], *, principal: str) -> None:
        new = {(domain, principal) for domain in ours} - self._served()
        if new:
            with self._engine.write_turn(), self._engine.transaction() as connection:
                for pair in sorted(new):
                    connection.execute(_SERVE, pair)

    def _served(self) -> frozenset[tuple[str, str]]:
        return frozenset((row[0], row[1]) for row in self._engine.read(_SERVED))
