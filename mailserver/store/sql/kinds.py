"""What an account stands for: the `Kinds` port."""

from __future__ import annotations

from mailserver.store.people import Kind
from mailserver.store.sql.engine import Engine
from mailserver.values.ids import AccountId

_SET = "UPDATE account SET kind = ? WHERE account_id = ? AND deleted_at_s IS NULL"


class SqlKinds:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_kind(self, account_id: AccountId, kind: Kind) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_SET, (kind.value, account_id))
