"""What an account stands for, and what a relation is over: the `Kinds` port."""

from __future__ import annotations

from mailserver.store.ports.people import Kind, Relation
from mailserver.store.sql.engine import Engine, first
from mailserver.values.ids import AccountId

_SET = "UPDATE account SET kind = ? WHERE account_id = ? AND deleted_at_s IS NULL"
_IDENTIFIER = "SELECT identifier FROM account WHERE account_id = ?"
_CODE = "SELECT upper(code) FROM unit WHERE unit_id = ?"


class SqlKinds:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_kind(self, account_id: AccountId, kind: Kind) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_SET, (kind.value, account_id))

    def name_over(self, relation: Relation) -> str:
        of_unit = relation.of_unit is not None
        statement = _CODE if of_unit else _IDENTIFIER
        over = relation.of_unit if of_unit else relation.of_account
        row = first(self._engine.read(statement, (over,)))
        return "" if row is None else str(row[0])
