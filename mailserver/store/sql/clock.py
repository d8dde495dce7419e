"""The row that says what is believed of the machine's clock."""

from __future__ import annotations

from dataclasses import astuple, fields

from mailserver.store.sql.engine import Engine, first
from mailserver.values.clock import Belief

_COLUMNS = ", ".join(field.name for field in fields(Belief))
_MARKS = ", ".join("?" * len(fields(Belief)))
_READ = f"SELECT {_COLUMNS} FROM clock WHERE only_one = 1"
_NEWEST = "SELECT value FROM counter WHERE name = 'message'"
_FORGET = "DELETE FROM clock"
_WRITE = f"INSERT INTO clock (only_one, {_COLUMNS}) VALUES (1, {_MARKS})"


class SqlClock:
    """The `Clock` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_clock(self) -> Belief | None:
        row = first(self._engine.read(_READ))
        return None if row is None else Belief(**dict(zip(_NAMES, row, strict=True)))

    def write_clock(self, belief: Belief) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_FORGET)
            connection.execute(_WRITE, astuple(belief))

    def newest_message(self) -> int:
        row = first(self._engine.read(_NEWEST))
        return 0 if row is None else int(row[0])


_NAMES = tuple(field.name for field in fields(Belief))
