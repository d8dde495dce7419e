"""Keys of names written anew where the folding of letters has grown: a step of one migration.

Keys that were written before knew eight letters beyond a to z; search words had lost the
others (`Yıldız` was found under `yldz`).  Only names that hold such letters are touched.
A new key that somebody has already is not taken from them: the row stays as it was.
"""

from __future__ import annotations

from typing import Final

from mailserver.store.sql.engine import Connection, first
from mailserver.values.address import Address, fold_local
from mailserver.values.words import search_key

_ACCOUNTS: Final = "SELECT account_id, name, given_name, surname FROM account"
_SET_ACCOUNT: Final = "UPDATE account SET name_key = ? WHERE account_id = ?"
_UNITS: Final = "SELECT unit_id, name, code, town FROM unit"
_SET_UNIT: Final = "UPDATE unit SET name_key = ?, town_key = ? WHERE unit_id = ?"
_FUNCTIONS: Final = "SELECT DISTINCT function FROM post"
_SET_FUNCTION: Final = "UPDATE post SET function_key = ? WHERE function = ?"
# Every key, with how another one is looked for and written.
_KEYS: Final = (
    ("account", "identifier_key"),
    ("address", "address_key"),
    ("given_name", "name_key"),
)
_MEMBERS: Final = "SELECT member_id, list_id, address_key FROM list_member"
_MEMBER_WITH: Final = "SELECT 1 FROM list_member WHERE list_id = ? AND address_key = ?"
_SET_MEMBER: Final = "UPDATE list_member SET address_key = ? WHERE member_id = ?"


def fold_again(connection: Connection) -> None:
    _words_of_search(connection)
    for table, column in _KEYS:
        _keys(connection, table, column)
    for member_id, list_id, key in list(connection.execute(_MEMBERS)):
        new = _folded(key)
        if new != key and first(list(connection.execute(_MEMBER_WITH, (list_id, new)))) is None:
            connection.execute(_SET_MEMBER, (new, member_id))


def _words_of_search(connection: Connection) -> None:
    for account_id, name, given_name, surname in list(connection.execute(_ACCOUNTS)):
        if not (name + given_name + surname).isascii():
            words = (surname, given_name) if surname or given_name else (name,)
            connection.execute(_SET_ACCOUNT, (search_key(*words), account_id))
    for unit_id, name, code, town in list(connection.execute(_UNITS)):
        if not (name + town).isascii():
            connection.execute(_SET_UNIT, (search_key(name, code), search_key(town), unit_id))
    for (function,) in list(connection.execute(_FUNCTIONS)):
        if not function.isascii():
            connection.execute(_SET_FUNCTION, (search_key(function), function))


def _keys(connection: Connection, table: str, column: str) -> None:
    rows = connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
    for (key,) in list(rows):
        new = _folded(key)
        if new == key:
            continue
        has = connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ?", (new,))
        if first(list(has)) is None:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, key))


def _folded(key: str) -> str:
    """key: of an identifier, or of an address; those of accounts in lists are ASCII."""
    if key.isascii():
        return key
    local, at, domain = key.rpartition("@")
    return Address(local, domain).key if at else fold_local(key)
