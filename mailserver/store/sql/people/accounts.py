"""Accounts, their names and their verifiers.

A name is found by its folded key; the spelling that was given is kept.  An
account's names go at once when it is deleted, its mail later, in slices.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailserver.store.ports.accounts import Account, AccountState, Credential, SignIn
from mailserver.store.ports.errors import NameTaken, StoreUnavailable
from mailserver.store.ports.people import Life
from mailserver.store.sql.engine import (
    Connection,
    ConstraintBroken,
    Engine,
    Row,
    first,
    with_reserve,
)
from mailserver.store.sql.people.names import (
    NameRow,
    address_key,
    free_former,
    holder_words,
    read_names,
    release_all,
    taken_words,
    write_names,
)
from mailserver.values.address import fold_local
from mailserver.values.calendar import Calendar
from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.words import search_key

INBOX = "INBOX"
_SLICE = 500
_EPOCH_OCTETS = 5

_ACCOUNT = """account_id, identifier, name, state, inbox_id, created_at_s,
    life, life_since_s, life_until_s"""
# Life may forbid to sign in; a suspension by a person is another matter, and stays.
_STATE = "CASE WHEN life IN ('expected', 'left', 'gone') THEN 'suspended' ELSE state END"
_FIND_MAILBOX = "SELECT mailbox_id FROM address WHERE address_key = ?"
_SIGN_IN = f"""
    SELECT account_id, identifier, inbox_id, credential_version,
        {_STATE},
        verifier, must_change, must_change_by_s
    FROM account WHERE {{which}}"""
_SIGN_IN_BY_IDENTIFIER = _SIGN_IN.format(which="identifier_key = ?")
_SIGN_IN_BY_ADDRESS = _SIGN_IN.format(
    which="account_id = (SELECT account_id FROM address WHERE address_key = ?)"
)
_OWNS = "SELECT 1 FROM address WHERE address_key = ? AND account_id = ?"
_SPELLING = "SELECT address FROM address WHERE address_key = ?"
_FIND_ACCOUNT = f"SELECT {_ACCOUNT} FROM account WHERE identifier_key = ?"
_NEXT_ACCOUNTS = f"""
    SELECT {_ACCOUNT}, identifier_key FROM account
    WHERE identifier_key > ? AND life <> 'gone' ORDER BY identifier_key LIMIT ?"""
_COUNT = "SELECT count(*) FROM account WHERE identifier_key IS NOT NULL AND life <> 'gone'"
_ADDRESSES = "SELECT address FROM address WHERE account_id = ? ORDER BY position, address_key"
_INSERT_ACCOUNT = """
    INSERT INTO account (identifier, identifier_key, name, name_key, state, created_at_s,
        life_since_s, credential_version, must_change)
    VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0) RETURNING account_id"""
_INSERT_MAILBOX = """
    INSERT INTO mailbox (account_id, name, epoch, next_uid, modseq, entry_count, octets)
    VALUES (?, ?, ?, 1, 0, 0, 0) RETURNING mailbox_id"""
_SET_INBOX = "UPDATE account SET inbox_id = ? WHERE account_id = ?"
_INSERT_ADDRESS = """
    INSERT INTO address (address_key, address, account_id, mailbox_id, position)
    SELECT ?, ?, account_id, inbox_id,
        (SELECT count(*) FROM address WHERE account_id = account.account_id)
    FROM account WHERE account_id = ? AND identifier_key IS NOT NULL RETURNING position"""
_HOLDS = """
    SELECT 1 FROM relation WHERE account_id = ? AND kind = 'holder' AND of_account = ?
        AND since_s <= ? AND (until_s IS NULL OR until_s > ?)"""
_SET_STATE = """
    UPDATE account SET state = ?, credential_version = credential_version + 1
    WHERE account_id = ? AND identifier_key IS NOT NULL RETURNING account_id"""
_END_CODES = "DELETE FROM recovery_code WHERE account_id = ? AND used_at_s IS NULL"
_FIND_HOLDER = "SELECT identifier, name FROM account WHERE account_id = ?"
# Its history stays, and so do its names, in quarantine.
_LET_GO = (
    "DELETE FROM address WHERE account_id = ?",
    "DELETE FROM recovery_code WHERE account_id = ?",
    "DELETE FROM recovery_address WHERE account_id = ?",
    "UPDATE unit SET account_id = NULL WHERE account_id = ?",
)
_END_POSTS = "UPDATE post SET until_s = ? WHERE account_id = ? AND until_s IS NULL"
_END_RELATIONS = """
    UPDATE relation SET until_s = ? WHERE (account_id = ? OR of_account = ?)
        AND (until_s IS NULL OR until_s > ?)"""
_DELETE_ACCOUNT = """
    UPDATE account SET identifier_key = NULL, source_key = NULL, deleted_at_s = ?,
        verifier = NULL, numen = NULL, life_until_s = NULL,
        credential_version = credential_version + 1
    WHERE account_id = ? AND identifier_key IS NOT NULL RETURNING account_id"""
_READ_CREDENTIAL = f"""
    SELECT account_id, credential_version, {_STATE}, verifier, must_change, must_change_by_s
    FROM account WHERE account_id = ? AND identifier_key IS NOT NULL"""
_WRITE_CREDENTIAL = f"""
    UPDATE account SET verifier = ?, must_change = ?, credential_version = credential_version + 1,
        must_change_by_s = NULL, change_told_count = 0,
        numen = CASE WHEN verifier LIKE '$numen-%' THEN verifier ELSE numen END
    WHERE account_id = ? AND identifier_key IS NOT NULL
    RETURNING account_id, credential_version, {_STATE}, verifier, must_change, must_change_by_s"""
_REPLACE_VERIFIER = """
    UPDATE account SET verifier = ? WHERE account_id = ? AND credential_version = ?"""


class SqlDirectory:
    """The `Directory` and `Credentials` ports."""

    def __init__(self, engine: Engine, *, quarantine_s: float, calendar: Calendar) -> None:
        """quarantine_s: the names of a deleted account are nobody's for so long.

        calendar: whose days stand in what is refused.
        """
        self._engine = engine
        self._calendar = calendar
        self._quarantine_s = quarantine_s

    def find_mailbox(self, address_key: str) -> MailboxId | None:
        row = first(self._engine.read(_FIND_MAILBOX, (address_key,)))
        return None if row is None else row[0]

    def find_sign_in(self, user_name_key: str) -> SignIn | None:
        by_address = "@" in user_name_key
        statement = _SIGN_IN_BY_ADDRESS if by_address else _SIGN_IN_BY_IDENTIFIER
        row = first(self._engine.read(statement, (user_name_key,)))
        if row is None or row[2] is None:
            return None
        return SignIn(
            account_id=row[0],
            identifier=row[1],
            inbox_id=row[2],
            credential=_credential((row[0], *row[3:])),
        )

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool:
        return bool(self._engine.read(_HOLDS, (account_id, mailbox_account, now_s, now_s)))

    def owns_address(self, account_id: AccountId, address_key: str) -> bool:
        return bool(self._engine.read(_OWNS, (address_key, account_id)))

    def spelling_of(self, address_key: str) -> str:
        row = first(self._engine.read(_SPELLING, (address_key,)))
        return "" if row is None else str(row[0])

    def find_account(self, identifier: str) -> Account | None:
        row = first(self._engine.read(_FIND_ACCOUNT, (fold_local(identifier),)))
        return None if row is None else self._account(row)

    def list_accounts(self) -> Iterator[Account]:
        after = ""
        while rows := self._engine.read(_NEXT_ACCOUNTS, (after, _SLICE)):
            for row in rows:
                yield self._account(row[:-1])
            after = rows[-1][-1]

    def count_accounts(self) -> int:
        row = first(self._engine.read(_COUNT))
        return 0 if row is None else int(row[0])

    def add_account(
        self, *, identifier: str, name: str, addresses: Sequence[str], now_s: float
    ) -> Account:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            now = _Now(now_s, self._calendar)
            account_id = _insert_account(connection, identifier, name, now)
            for address in addresses:
                _insert_address(connection, account_id, address, now)
        account = self.find_account(identifier)
        if account is None:
            raise StoreUnavailable(f"account {identifier} was made and is not there")
        return account

    def add_address(self, account_id: AccountId, address: str, *, now_s: float) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            _insert_address(connection, account_id, address, _Now(now_s, self._calendar))

    def set_state(self, account_id: AccountId, state: AccountState) -> None:
        def change(connection: Connection) -> None:
            if first(connection.execute(_SET_STATE, (state.value, account_id))) is None:
                raise StoreUnavailable(f"no account {account_id}")
            if state is AccountState.SUSPENDED:  # or a code from before would let them in after it
                connection.execute(_END_CODES, (account_id,))

        with_reserve(self._engine, change)

    def delete_account(self, account_id: AccountId, *, now_s: float) -> None:
        with_reserve(self._engine, lambda one: self._let_go(one, account_id, now_s))

    def _let_go(self, connection: Connection, account_id: AccountId, now_s: float) -> None:
        for statement in _LET_GO:
            connection.execute(statement, (account_id,))
        connection.execute(_END_POSTS, (now_s, account_id))
        connection.execute(_END_RELATIONS, (now_s, account_id, account_id, now_s))
        release_all(connection, account_id, now_s=now_s, quarantine_s=self._quarantine_s)
        if first(connection.execute(_DELETE_ACCOUNT, (now_s, account_id))) is None:
            raise StoreUnavailable(f"no account {account_id}")

    def read_credential(self, account_id: AccountId) -> Credential | None:
        row = first(self._engine.read(_READ_CREDENTIAL, (account_id,)))
        return None if row is None else _credential(row)

    def write_credential(
        self, account_id: AccountId, *, verifier: str, must_change: bool
    ) -> Credential:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            parameters = (verifier, int(must_change), account_id)
            row = first(connection.execute(_WRITE_CREDENTIAL, parameters))
        if row is None:
            raise StoreUnavailable(f"no account {account_id}")
        return _credential(row)

    def replace_verifier(self, account_id: AccountId, *, version: int, verifier: str) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_REPLACE_VERIFIER, (verifier, account_id, version))

    def _account(self, row: Row) -> Account:
        account_id, identifier, name, state, inbox_id, created_at_s, life, *moments = row
        addresses = self._engine.read(_ADDRESSES, (account_id,))
        return Account(
            account_id=account_id,
            identifier=identifier,
            name=name,
            state=AccountState(state),
            inbox_id=inbox_id,
            created_at_s=created_at_s,
            addresses=tuple(address for (address,) in addresses),
            life=Life(life),
            life_since_s=moments[0],
            life_until_s=moments[1],
        )


def _credential(row: Row) -> Credential:
    account_id, version, state, verifier, must_change, must_change_by_s = row
    return Credential(
        account_id=account_id,
        version=version,
        state=AccountState(state),
        verifier=verifier,
        must_change=bool(must_change),
        must_change_by_s=must_change_by_s,
    )


@dataclass(frozen=True, slots=True)
class _Now:
    """A moment, and the calendar in which days are told."""

    at_s: float
    calendar: Calendar


def _insert_account(connection: Connection, identifier: str, name: str, now: _Now) -> AccountId:
    key = fold_local(identifier)
    _check_free(connection, key, identifier, now)
    state = AccountState.ACTIVE.value
    parameters = (identifier, key, name, search_key(name), state, now.at_s, now.at_s)
    try:
        row = first(connection.execute(_INSERT_ACCOUNT, parameters))
    except ConstraintBroken:
        raise NameTaken(identifier) from None
    assert row is not None, "INSERT ... RETURNING gives its row"
    account_id = AccountId(row[0])
    write_names(connection, [(key, NameRow(account_id, now.at_s))])
    epoch = secrets.token_hex(_EPOCH_OCTETS)
    mailbox = first(connection.execute(_INSERT_MAILBOX, (account_id, INBOX, epoch)))
    assert mailbox is not None, "INSERT ... RETURNING gives its row"
    connection.execute(_SET_INBOX, (mailbox[0], account_id))
    return account_id


def _insert_address(connection: Connection, account_id: AccountId, address: str, now: _Now) -> None:
    key = address_key(address)
    _check_free(connection, key, address, now, account_id)
    try:
        row = first(connection.execute(_INSERT_ADDRESS, (key, address, account_id)))
    except ConstraintBroken:
        raise NameTaken(address) from None
    if row is None:
        raise StoreUnavailable(f"no account {account_id}")
    write_names(connection, [(key, NameRow(account_id, now.at_s))])


def _check_free(
    connection: Connection, key: str, name: str, now: _Now, account_id: int = -1
) -> None:
    """Whoever had it and let its time pass shows it no more.

    account_id: who wants it; -1: a new one.

    Raises:
        NameTaken: somebody else has it, or it is kept for them.
    """
    row = read_names(connection, [key]).get(key)
    if row is None:
        return
    if not row.is_free_for(account_id, now.at_s):
        holder = _holder(connection, row.account_id)
        raise NameTaken(name, taken_words(name, row, holder, now.calendar))
    if row.account_id != account_id:
        free_former(connection, [key])


def _holder(connection: Connection, account_id: int) -> str:
    row = first(connection.execute(_FIND_HOLDER, (account_id,)))
    return "a list" if row is None else holder_words(*row)
