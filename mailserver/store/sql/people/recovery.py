"""Codes, recovery addresses, the grace of first passwords, and the verifiers of imports."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

from mailserver.store.ports.recovery import (
    CODE_NAME_OCTETS,
    DueWarning,
    FittingCode,
    NewCode,
    Purpose,
    RecoveryAddress,
    Subject,
)
from mailserver.store.sql.engine import Engine, Row, first, with_reserve
from mailserver.values.ids import AccountId

QUICK_FROM, QUICK_TO = "$numen-hmac-sha256$", "$numen-hmac-sha256%"
"""Verifiers between these begin with the first; `%` follows `$`."""

_SUBJECT = """
    SELECT account_id, kind, identifier, name, given_name, surname, language, inbox_id,
        coalesce((SELECT address FROM address WHERE account_id = account.account_id
            ORDER BY position, address_key LIMIT 1), ''),
        CASE WHEN verifier LIKE '$numen-%' THEN verifier ELSE numen END
    FROM account WHERE account_id = ? AND identifier_key IS NOT NULL"""
_READ_ADDRESS = """
    SELECT address, proved_at_s FROM recovery_address
    WHERE account_id = ? AND proved_at_s IS NOT NULL"""
_WRITE_ADDRESS = """
    INSERT INTO recovery_address (account_id, address, proved_at_s) VALUES (?, ?, ?)
    ON CONFLICT (account_id) DO UPDATE SET address = excluded.address,
        proved_at_s = excluded.proved_at_s"""
_END_CODES = """
    DELETE FROM recovery_code WHERE account_id = ? AND purpose = ? AND used_at_s IS NULL"""
_ADD_CODE = """
    INSERT INTO recovery_code (account_id, purpose, digest, given_by, made_at_s, expires_at_s,
        tries, details) VALUES (?, ?, ?, ?, ?, ?, 0, ?)"""
_CODE = """
    SELECT code_id, digest, given_by, details FROM recovery_code
    WHERE account_id = ? AND purpose = ? AND used_at_s IS NULL AND expires_at_s > ?
        AND tries < ? AND account_id IN (SELECT account_id FROM account WHERE state = 'active')"""
_TRIED = "UPDATE recovery_code SET tries = tries + 1 WHERE code_id = ?"
_USE = """
    UPDATE recovery_code SET used_at_s = ?1
    WHERE code_id = ?2 AND used_at_s IS NULL AND expires_at_s > ?1
    RETURNING code_id"""
_END_ALL = "DELETE FROM recovery_code WHERE account_id = ? AND used_at_s IS NULL"
_REMOVE_ADDRESS = """
    DELETE FROM recovery_address WHERE account_id = ? RETURNING address, proved_at_s"""
_FORGET = "DELETE FROM recovery_code WHERE expires_at_s < ? RETURNING code_id"

_START_GRACE = """
    UPDATE account SET must_change_by_s = ?
    WHERE account_id = ? AND credential_version = ? AND must_change = 1
        AND must_change_by_s IS NULL"""
_DUE = """
    SELECT account_id, credential_version, must_change_by_s, change_told_count FROM account
    WHERE must_change = 1 AND must_change_by_s < ? AND change_told_count < ?
        AND identifier_key IS NOT NULL AND inbox_id IS NOT NULL
    ORDER BY must_change_by_s LIMIT ?"""
_MARK = """
    UPDATE account SET change_told_count = ? WHERE account_id = ? AND credential_version = ?"""
_QUICK = """
    SELECT account_id, verifier FROM account
        WHERE account_id > ?1 AND verifier > ?2 AND verifier < ?3
    UNION ALL
    SELECT account_id, numen FROM account
        WHERE account_id > ?1 AND numen > ?2 AND numen < ?3
    ORDER BY account_id LIMIT ?4"""
_HAS_NUMENS = """
    SELECT 1 FROM account WHERE (verifier > '$numen-' AND verifier < '$numen.')
        OR (numen > '$numen-' AND numen < '$numen.') LIMIT 1"""
# The key's name stands after `$numen-argon2$` or `$numen-hmac-sha256$`.
_NUMEN_PASSWORDS = """
    SELECT CASE WHEN verifier < '$numen-b' THEN substr(verifier, 15, 8)
            ELSE substr(verifier, 20, 8) END AS key_name, count(*)
    FROM account
    WHERE verifier > '$numen-' AND verifier < '$numen.' AND identifier_key IS NOT NULL
    GROUP BY key_name"""
_REPLACE = "UPDATE account SET {column} = ? WHERE account_id = ? AND {column} = ?"


class SqlRecovery:
    """The `Recovery` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_subject(self, account_id: AccountId) -> Subject | None:
        row = first(self._engine.read(_SUBJECT, (account_id,)))
        if row is None or row[7] is None:
            return None
        return Subject(
            account_id=row[0],
            kind=row[1],
            identifier=row[2],
            name=row[3],
            given_name=row[4],
            surname=row[5],
            language=row[6],
            inbox_id=row[7],
            address=row[8],
            numen=row[9],
        )

    def read_recovery_address(self, account_id: AccountId) -> RecoveryAddress | None:
        row = first(self._engine.read(_READ_ADDRESS, (account_id,)))
        return None if row is None else RecoveryAddress(address=row[0], proved_at_s=row[1])

    def prove_address(
        self, account_id: AccountId, code: FittingCode, *, now_s: float
    ) -> RecoveryAddress | None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            if first(connection.execute(_USE, (now_s, code.code_id))) is None:
                return None
            connection.execute(_END_CODES, (account_id, Purpose.RESET.value))
            connection.execute(_WRITE_ADDRESS, (account_id, code.details, now_s))
        return RecoveryAddress(address=code.details, proved_at_s=now_s)

    def remove_recovery_address(self, account_id: AccountId) -> RecoveryAddress | None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_END_CODES, (account_id, Purpose.RESET.value))
            row = first(connection.execute(_REMOVE_ADDRESS, (account_id,)))
        return None if row is None else RecoveryAddress(address=row[0], proved_at_s=row[1])

    def add_code(self, code: NewCode) -> None:
        which = (code.account_id, code.purpose.value)
        rest = (code.digest, code.given_by, code.made_at_s, code.expires_at_s, code.details)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_END_CODES, which)
            connection.execute(_ADD_CODE, (*which, *rest))

    def try_code(
        self,
        account_id: AccountId,
        purpose: Purpose,
        digest: bytes,
        *,
        now_s: float,
        max_tries: int,
    ) -> FittingCode | None:
        parameters = (account_id, purpose.value, now_s, max_tries)
        if not _is_named(self._engine.read(_CODE, parameters), digest):
            return None
        with self._engine.write_turn(), self._engine.transaction() as connection:
            for row in list(connection.execute(_CODE, parameters)):
                code_id, kept, given_by, details = row
                if hmac.compare_digest(kept, digest):
                    return FittingCode(code_id=code_id, given_by=given_by, details=details)
                if _is_named([row], digest):
                    connection.execute(_TRIED, (code_id,))
        return None

    def count_try(self, code_id: int) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_TRIED, (code_id,))

    def use_code(self, code_id: int, *, now_s: float) -> bool:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return first(connection.execute(_USE, (now_s, code_id))) is not None

    def end_codes(self, account_id: AccountId) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_END_ALL, (account_id,))

    def forget_codes(self, *, before_s: float) -> int:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return len(list(connection.execute(_FORGET, (before_s,))))


def _is_named(rows: Iterable[Row], digest: bytes) -> bool:
    """Does one of these codes begin like this one?"""
    name = digest[:CODE_NAME_OCTETS]
    return any(hmac.compare_digest(row[1][:CODE_NAME_OCTETS], name) for row in rows)


class SqlFirstPasswords:
    """The `FirstPasswords` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start_grace(self, account_id: AccountId, *, version: int, until_s: float) -> None:
        values = (until_s, account_id, version)
        with_reserve(self._engine, lambda one: one.execute(_START_GRACE, values))

    def due_warnings(self, *, until_s: float, told_count: int, limit: int) -> list[DueWarning]:
        return [
            DueWarning(account_id=who, version=version, must_change_by_s=by_s, told_count=told)
            for who, version, by_s, told in self._engine.read(_DUE, (until_s, told_count, limit))
        ]

    def mark_warned(self, account_id: AccountId, *, version: int, told_count: int) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_MARK, (told_count, account_id, version))

    def has_numens(self) -> bool:
        return bool(self._engine.read(_HAS_NUMENS))

    def count_numen_passwords(self) -> dict[str, int]:
        return dict(self._engine.read(_NUMEN_PASSWORDS))

    def read_quick_numens(self, *, after: AccountId, limit: int) -> list[tuple[AccountId, str]]:
        rows = self._engine.read(_QUICK, (after, QUICK_FROM, QUICK_TO, limit))
        return [(AccountId(account_id), verifier) for account_id, verifier in rows]

    def replace_numens(self, found: Sequence[tuple[AccountId, str, str]]) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            for account_id, old, new in found:
                for column in ("verifier", "numen"):
                    statement = _REPLACE.format(column=column)
                    connection.execute(statement, (new, account_id, old))
