"""What the dialects make of the common text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mailserver.store.sql.dialect import POSTGRES, SQLITE, Dialect, lower_ascii

TEMPLATE = "INSERT INTO t (a, b) {rows:integer real} RETURNING a"


def _chunks(dialect: Dialect, rows: Sequence[Sequence[Any]]) -> list[tuple[str, list[Any], int]]:
    return [(one, list(two), n) for one, two, n in dialect.chunks(TEMPLATE, rows, largest=128)]


def test_sqlite_gets_a_placeholder_for_each_value() -> None:
    (found,) = _chunks(SQLITE, [(1, 2.5), (3, None)])
    assert found == ("INSERT INTO t (a, b) VALUES (?,?),(?,?) RETURNING a", [1, 2.5, 3, None], 2)


def test_postgresql_gets_an_array_for_each_column_of_one_type() -> None:
    ((statement, (first, second), count),) = _chunks(POSTGRES, [(1, 2), (3, None), (True, 0.5)])
    arrays = "SELECT * FROM unnest(?::bigint[], ?::double precision[])"
    assert statement == f"INSERT INTO t (a, b) {arrays} RETURNING a"
    assert (first, second, count) == ([1, 3, 1], [2.0, None, 0.5], 3)
    assert [type(one) for one in first] == [int, int, int]
    assert [type(one) for one in second] == [float, type(None), float]


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES])
def test_no_rows_are_no_statement(dialect: Dialect) -> None:
    assert _chunks(dialect, []) == []


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES])
def test_rows_without_types_are_noticed(dialect: Dialect) -> None:
    with pytest.raises(AssertionError, match="rows without types"):
        list(dialect.chunks("DELETE FROM t WHERE a IN (VALUES {rows})", [(1,)], largest=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ? AND b = ?", "a = $1 AND b = $2"),
        ("a = ?2 AND b > ?1 AND c = ?2", "a = $2 AND b > $1 AND c = $2"),
        ("a = '?' AND b = ?", "a = '?' AND b = $1"),
        ("a = 'it''s ?' AND b = ?", "a = 'it''s ?' AND b = $1"),
        ("a = ? -- why?\nAND b = ?", "a = $1 -- why?\nAND b = $2"),
        ("a LIKE '%' || ?", "a LIKE '%' || $1"),
    ],
)
def test_placeholders_are_numbered(text: str, expected: str) -> None:
    assert POSTGRES.translate(text) == expected


def test_letters_fold_as_lower_does_on_both() -> None:
    assert lower_ascii("ÉCOLE DE Saintes") == "École de saintes"


def test_a_migration_says_its_words_in_each() -> None:
    text = "CREATE TABLE t (a {id}, b TEXT, c {blob}) {rows};"
    assert SQLITE.schema(text).endswith(
        "(a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT, c BLOB) STRICT;"
    )
    assert 'b text COLLATE "C", c bytea' in POSTGRES.schema(text)
