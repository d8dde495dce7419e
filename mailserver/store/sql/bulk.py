"""Statements of many rows, in not too many shapes, so that the prepared ones are found again.

A template has `{rows}` where its placeholders go: `(?,?),(?,?)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from mailserver.store.sql.engine import Connection, Row, rows_of

LARGEST: Final = 128
"""Rows of one statement: more gain nothing."""
SMALL: Final = 32
"""Up to so many rows are one statement, whatever their number: each one costs a trip out of
Python, and the batches of a busy minute are about as large."""


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
    """(statement, flat parameters), in chunks of `sizes`."""
    start = 0
    for size in sizes(len(rows), largest):
        part = rows[start : start + size]
        start += size
        statement = _for_rows(template, size, len(part[0]))
        yield statement, part[0] if size == 1 else list(chain.from_iterable(part))


def sizes(total: int, largest: int) -> Iterator[int]:
    """Split `total` rows: powers of two, and the last up to SMALL in one."""
    while total:
        size = total if total <= SMALL else min(largest, 1 << (total.bit_length() - 1))
        yield size
        total -= size


@lru_cache(maxsize=512)
def _for_rows(template: str, rows: int, columns: int) -> str:
    return template.format(rows=rows_of(rows, columns))
