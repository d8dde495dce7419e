"""The numbered files of the folder `schema`, applied once to a store, in its engine's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, Protocol

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.sql.engine import Connection, Engine, first
from mailserver.store.sql.people.names import fold_account_names
from mailserver.store.sql.people.refold import fold_again

STEPS: Final[dict[str, Callable[[Connection], None]]] = {
    "people": fold_account_names,
    "letters": fold_again,
}
"""By the name in a migration's file: what SQL cannot do, after its statements."""


class Migrated(Engine, Protocol):
    def script(self, statements: str) -> None:
        """Run the statements of a migration, inside the caller's transaction."""
        ...


def migrate(engine: Migrated) -> None:
    """Apply the numbered files that this store has not seen, once, under the write turn."""
    schema, names = _schema()
    if _version(engine) > len(migrations_to_run(0, names)):
        raise StoreUnavailable("this store was written by a newer version of the program")
    if not migrations_to_run(_version(engine), names):
        return
    with engine.write_turn():
        # Asked again: another process may have applied them while we waited.
        for name in migrations_to_run(_version(engine), names):
            text = (schema / name).read_text(encoding="utf-8")
            with engine.transaction() as connection:
                engine.script(engine.dialect.schema(text))
                if (step := STEPS.get(name[5:].removesuffix(".sql"))) is not None:
                    step(connection)
                connection.execute(
                    "INSERT INTO migration (number, applied_at_s) VALUES (?, ?)",
                    (int(name[:4]), time.time()),
                )


def last_migration() -> int:
    """The number of the last one that this program knows."""
    return len(migrations_to_run(0, _schema()[1]))


def migrations_to_run(version: int, names: Iterable[str]) -> list[str]:
    """The numbered files above `version`, in order: `0001_trunk.sql` is number 1."""
    return [name for name in sorted(names) if name.endswith(".sql") and int(name[:4]) > version]


def _schema() -> tuple[Traversable, list[str]]:
    """(the folder of the files, their names)."""
    schema = resources.files("mailserver.store.sql") / "schema"
    return schema, [file.name for file in schema.iterdir()]


def _version(engine: Migrated) -> int:
    if not engine.read(engine.dialect.find_table, ("migration",)):
        return 0
    row = first(engine.read("SELECT max(number) FROM migration"))
    return 0 if row is None or row[0] is None else int(row[0])
