"""Statements of many rows, over any engine.

A template has `{rows:integer text}` where its rows go, with the types of their
columns, as the schema calls them; what stands there, the engine's dialect says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mailserver.store.sql.dialect import LARGEST, Chunk
from mailserver.store.sql.engine import Reader, Row


def insert(
    connection: Reader,
    template: str,
    rows: Sequence[Sequence[Any]],
    *,
    largest: int = LARGEST,
) -> None:
    """Run a template that returns nothing for all rows."""
    for statement, parameters, _ in connection.dialect.chunks(template, rows, largest=largest):
        connection.execute(statement, parameters)


def select(connection: Reader, template: str, rows: Sequence[Sequence[Any]]) -> list[Row]:
    """Run a template for all rows; everything that it returns."""
    found: list[Row] = []
    for statement, parameters, _ in connection.dialect.chunks(template, rows, largest=LARGEST):
        found.extend(connection.execute(statement, parameters))
    return found


def chunks(
    connection: Reader, template: str, rows: Sequence[Sequence[Any]], *, largest: int = LARGEST
) -> Iterator[Chunk]:
    """A template's statements, for whoever runs them himself."""
    return connection.dialect.chunks(template, rows, largest=largest)
