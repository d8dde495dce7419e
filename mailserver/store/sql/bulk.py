"""Statements of many rows, in few shapes, so that the prepared ones are found again.

A template has `{rows}` where its placeholders go: `(?,?),(?,?)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from mailserver.store.sql.engine import Connection, Row, powers_of_two, rows_of

LARGEST: Final = 128
"""Rows of one statement: more gain nothing."""


def insert(
    connection: Connection,
    template: str,
    rows: Sequence[Sequence[Any]],
    *,
    largest: int = LARGEST,
) -> None:
    """Run a template that returns nothing for all rows."""
    for statement, chunk in chunks(template, rows, largest=largest):
        connection.execute(statement, chunk)


def select(connection: Connection, template: str, rows: Sequence[Sequence[Any]]) -> list[Row]:
    """Run a template for all rows; everything that it returns."""
    found: list[Row] = []
    for statement, chunk in chunks(template, rows, largest=LARGEST):
        found.extend(connection.execute(statement, chunk))
    return found


def chunks(
    template: str, rows: Sequence[Sequence[Any]], *, largest: int
) -> Iterator[tuple[str, Sequence[Any]]]:
    """(statement, flat parameters), in chunks of a few sizes."""
    start = 0
    for size in powers_of_two(len(rows), largest):
        part = rows[start : start + size]
        start += size
        statement = _for_rows(template, size, len(part[0]))
        yield statement, part[0] if size == 1 else list(chain.from_iterable(part))


@lru_cache(maxsize=256)
def _for_rows(template: str, rows: int, columns: int) -> str:
    return template.format(rows=rows_of(rows, columns))
