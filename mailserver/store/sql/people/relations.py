"""Who may what over whom, from when to when; and what happened to an account."""

from __future__ import annotations

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import Event, Relation, RelationKind
from mailserver.store.sql.engine import Engine, Row, first
from mailserver.values.ids import AccountId, UnitId

_RELATION = """
    SELECT relation_id, relation.kind, relation.account_id, account.identifier, of_account, of_unit,
        since_s, until_s
    FROM relation JOIN account ON account.account_id = relation.account_id WHERE """
_ORDER = " ORDER BY since_s, relation_id"
_ONE = _RELATION + "relation_id = ?"
_OF = _RELATION + "relation.account_id = ?" + _ORDER
_OVER_ACCOUNT = _RELATION + "of_account = ?" + _ORDER
_OVER_UNIT = _RELATION + "of_unit = ?" + _ORDER
_INSERT = """
    INSERT INTO relation (kind, account_id, of_account, of_unit, since_s, until_s)
    SELECT ?, account_id, ?, ?, ?, ? FROM account
    WHERE account_id = ? AND deleted_at_s IS NULL RETURNING relation_id"""
_END = """
    UPDATE relation SET until_s = ?
    WHERE relation_id = ? AND (until_s IS NULL OR until_s > ?) RETURNING relation_id"""
_IS_BELOW = """
    WITH RECURSIVE above (unit_id) AS (
        SELECT CAST(? AS bigint)
        UNION SELECT unit.parent_id FROM unit JOIN above ON unit.unit_id = above.unit_id
        WHERE unit.parent_id IS NOT NULL)
    SELECT 1 FROM above WHERE unit_id = ?"""
_NOTE = """
    INSERT INTO account_event (account_id, number, at_s, by_whom, what, details)
    SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5
    FROM account_event WHERE account_id = ?1"""
_HISTORY = """
    SELECT at_s, by_whom, what, details FROM account_event WHERE account_id = ?
    ORDER BY number DESC LIMIT ?"""


class SqlRelations:
    """Relations and history, for the `People` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def relate(
        self,
        kind: RelationKind,
        account_id: AccountId,
        *,
        of_account: AccountId | None = None,
        of_unit: UnitId | None = None,
        since_s: float,
        until_s: float | None = None,
    ) -> Relation:
        parameters = (kind.value, of_account, of_unit, since_s, until_s, account_id)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            made = first(connection.execute(_INSERT, parameters))
            row = None if made is None else first(connection.execute(_ONE, made))
        if row is None:
            raise StoreUnavailable(f"no account {account_id}")
        return _relation(row)

    def end_relation(self, relation_id: int, *, at_s: float) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_END, (at_s, relation_id, at_s))

    def relations_of(self, account_id: AccountId) -> list[Relation]:
        return [_relation(row) for row in self._engine.read(_OF, (account_id,))]

    def relations_over(
        self, *, account_id: AccountId | None = None, unit_id: UnitId | None = None
    ) -> list[Relation]:
        rows: list[Row] = []
        if account_id is not None:
            rows += self._engine.read(_OVER_ACCOUNT, (account_id,))
        if unit_id is not None:
            rows += self._engine.read(_OVER_UNIT, (unit_id,))
        return [_relation(row) for row in rows]

    def is_below(self, unit_id: UnitId, ancestor: UnitId) -> bool:
        return bool(self._engine.read(_IS_BELOW, (unit_id, ancestor)))

    # History

    def note(self, account_id: AccountId, event: Event) -> None:
        parameters = (account_id, event.at_s, event.by_whom, event.what, event.details)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_NOTE, parameters)

    def history(self, account_id: AccountId, *, limit: int) -> list[Event]:
        rows = self._engine.read(_HISTORY, (account_id, limit))
        return [_event(row) for row in rows]


def _event(row: Row) -> Event:
    at_s, by_whom, what, details = row
    return Event(at_s=at_s, by_whom=by_whom, what=what, details=details)


def _relation(row: Row) -> Relation:
    relation_id, kind, account_id, identifier, of_account, of_unit, since_s, until_s = row
    return Relation(
        relation_id=relation_id,
        kind=RelationKind(kind),
        account_id=AccountId(account_id),
        identifier=identifier,
        of_account=of_account,
        of_unit=of_unit,
        since_s=since_s,
        until_s=until_s,
    )
