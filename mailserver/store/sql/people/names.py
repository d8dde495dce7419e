"""Every identifier and address that was ever given: whose it is, and until when.

    given      released_at_s NULL: in use, nobody else may have it
    released   in quarantine until free_at_s: its own account may have it back, nobody else
    free       free_at_s has passed: whoever asks first, and then it is theirs

Whoever gives or frees a name writes its row in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailserver.store.ports.people import Doc, PersonDoc
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection, Engine, Reader, first
from mailserver.values.address import Address, fold_local
from mailserver.values.calendar import Calendar
from mailserver.values.ids import AccountId
from mailserver.values.words import search_key

LIST_OWNER: Final = 0
"""Stands for the account of a list's name."""

_WHO_HAD = """
    SELECT account_id FROM given_name
    WHERE name_key = ? AND (free_at_s IS NULL OR free_at_s > ?)"""
_GIVEN = """
    SELECT name_key FROM given_name
    WHERE account_id = ({owner}) AND (free_at_s IS NULL OR free_at_s > ?)
    ORDER BY given_at_s, name_key"""
_GIVEN_TO_PERSON = _GIVEN.format(owner="SELECT account_id FROM account WHERE source_key = ?")
_GIVEN_TO_UNIT = _GIVEN.format(owner="SELECT account_id FROM unit WHERE code = ?")
_LAST_HOMONYM = "SELECT last_number FROM homonym WHERE base_key = ?"
_NAMES = """
    SELECT name_key, account_id, given_at_s, released_at_s, free_at_s FROM given_name
    WHERE name_key IN ({rows:text})"""
_WRITE_NAMES = """
    INSERT INTO given_name (name_key, account_id, given_at_s, released_at_s, free_at_s)
    {rows:text integer real real real}
    ON CONFLICT (name_key) DO UPDATE SET account_id = excluded.account_id,
        given_at_s = excluded.given_at_s, released_at_s = excluded.released_at_s,
        free_at_s = excluded.free_at_s"""
_RELEASE_ALL = """
    UPDATE given_name SET released_at_s = ?, free_at_s = ?
    WHERE account_id = ? AND released_at_s IS NULL"""
_WRITE_HOMONYMS = """
    INSERT INTO homonym (base_key, last_number) {rows:text integer}
    ON CONFLICT (base_key) DO UPDATE SET last_number = excluded.last_number
        WHERE excluded.last_number > homonym.last_number"""
# The former owner is gone, or has another name: what still shows this one lets go of it.
_FREE_IDENTIFIERS = "UPDATE account SET identifier_key = NULL WHERE identifier_key IN ({rows:text})"
_FREE_ADDRESSES = "DELETE FROM address WHERE address_key IN ({rows:text})"


_UNFOLDED = "SELECT account_id, name FROM account"
_FOLD = "UPDATE account SET name_key = ? WHERE account_id = ?"


@dataclass(slots=True)
class NameRow:
    account_id: int
    given_at_s: float
    released_at_s: float | None = None
    free_at_s: float | None = None

    def is_free_for(self, account_id: int, now_s: float) -> bool:
        if self.account_id == account_id:
            return True
        return self.free_at_s is not None and self.free_at_s <= now_s


class SqlNames:
    """The `Names` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def who_had(self, name_key: str, *, now_s: float) -> AccountId | None:
        row = first(self._engine.read(_WHO_HAD, (name_key, now_s)))
        return None if row is None else AccountId(row[0])

    def last_homonym(self, base_key: str) -> int:
        row = first(self._engine.read(_LAST_HOMONYM, (base_key,)))
        return 0 if row is None else int(row[0])

    def given_to(self, subject: Doc, *, now_s: float) -> list[str]:
        if isinstance(subject, PersonDoc):
            rows = self._engine.read(_GIVEN_TO_PERSON, (subject.source_key, now_s))
        else:
            rows = self._engine.read(_GIVEN_TO_UNIT, (subject.code, now_s))
        return [name_key for (name_key,) in rows]


def fold_account_names(connection: Connection) -> None:
    """For accounts that are older than the search by name."""
    for account_id, name in list(connection.execute(_UNFOLDED)):
        connection.execute(_FOLD, (search_key(name), account_id))


def address_key(address: str) -> str:
    """The key of an address written as `local@domain`."""
    local, _, domain = address.rpartition("@")
    return Address(local, domain).key


def keys_of(identifier: str, addresses: Sequence[str]) -> dict[str, str]:
    """key -> name as given; the identifier first."""
    keys = {fold_local(identifier): identifier}
    for address in addresses:
        keys.setdefault(address_key(address), address)
    return keys


def keys_of_doc(doc: PersonDoc) -> dict[str, str]:
    return keys_of(doc.identifier, doc.addresses)


def read_names(reader: Reader, keys: Iterable[str]) -> dict[str, NameRow]:
    rows = select(reader, _NAMES, [(key,) for key in keys])
    return {row[0]: NameRow(*row[1:]) for row in rows}


def write_names(connection: Connection, names: Iterable[tuple[str, NameRow]]) -> None:
    rows = [
        (key, row.account_id, row.given_at_s, row.released_at_s, row.free_at_s)
        for key, row in names
    ]
    insert(connection, _WRITE_NAMES, rows)


def free_former(connection: Connection, keys: Iterable[str]) -> None:
    """These names go to somebody else now: no account and no address shows them any more."""
    rows = [(key,) for key in keys]
    insert(connection, _FREE_IDENTIFIERS, rows)
    insert(connection, _FREE_ADDRESSES, rows)


def release_all(
    connection: Connection, account_id: int, *, now_s: float, quarantine_s: float
) -> None:
    connection.execute(_RELEASE_ALL, (now_s, now_s + quarantine_s, account_id))


def write_homonyms(connection: Connection, numbers: Iterable[tuple[str, int]]) -> None:
    largest: dict[str, int] = {}
    for base_key, number in numbers:
        largest[base_key] = max(number, largest.get(base_key, 0))
    insert(connection, _WRITE_HOMONYMS, list(largest.items()))


def taken_words(name: str, row: NameRow, holder: str, calendar: Calendar) -> str:
    """holder: whose it is, in words."""
    if row.free_at_s is None:
        return f"{name} is already taken, by {holder}"
    return (
        f"{name} was given to {holder} and is kept for them until {calendar.day_of(row.free_at_s)}"
    )


def holder_words(identifier: str, name: str) -> str:
    return f"{identifier} ({name})" if name else identifier
