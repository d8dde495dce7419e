"""Every statement of the store is one text that both engines understand.

A constant of `mailserver.store.sql` that begins as a statement does is prepared
on both, whether or not a test runs it.  One that is put together when it is
used stands in `MADE`, put together; a new one that does not is found here.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import apsw.ext
import psycopg

import mailserver.store.sql
from mailserver.store.moments import COUNTED, STAMPED
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.people import Search
from mailserver.store.ports.queue import Lane
from mailserver.store.sql import moments
from mailserver.store.sql.counters import counters
from mailserver.store.sql.dialect import POSTGRES, SQLITE, Dialect
from mailserver.store.sql.mail import listing, removed
from mailserver.store.sql.people import outside, recovery
from mailserver.store.sql.people import search as people_search
from mailserver.store.sql.queue import search as queue_search
from mailserver.store.sql.queue import settle
from mailserver.values.ids import AcceptId, AccountId
from tests.programs import needs_program
from tests.store.postgres import cluster
from tests.store.postgres.databases import give_back, new_database
from tests.store.template import put_new_store

_BEGINS: Final = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\b")
_OPEN: Final = re.compile(r"\{\w*\}|WHERE\s*$")
BEGINNINGS: Final = frozenset(
    {
        "lists.readers._UNITS",
        "people.accounts._SIGN_IN",
        "people.documents._MEMBERS",
        "people.names._GIVEN",
        "people.relations._RELATION",
        "people.search._PERSON",
        "queue.lease._COPIES",
    }
)
"""Pieces of the constants below them in their modules, which are whole."""


def _stamped() -> Iterator[str]:
    for one in STAMPED:
        yield moments._filled(moments._STAMPED, one, "{column} - ({stamp} - ?1)")


def _made() -> dict[str, list[str]]:
    """What is put together when it is used, each in all its parts."""
    scans = [
        queue_search._scan_of(which)
        for which in (
            QueueFilter(),
            QueueFilter(copy_no=1, lane=Lane.HELD, next_hop="d.fr", recipient="a@d.fr"),
            QueueFilter(accept_id=AcceptId(b"x"), account_id=AccountId(1), sender="a@d.fr"),
        )
    ]
    words = people_search._Where()
    words.add_words("account.name_key", "jean martin")
    words.add(people_search._AFTER_PERSON, "x")
    posts = people_search._posts_where(Search(unit_code="x", town="saintes", function="prof"))
    assert posts is not None
    units = f" AND {people_search._UNIT_BELOW} AND {people_search._AFTER_UNIT}"
    ranges = [way.format(settle._RANGE) for way in (settle._COUNT, settle._DROP, settle._TAKE)]
    single = [way.format(settle._SINGLE) for way in (settle._COUNT, settle._DROP, settle._TAKE)]
    away, here = outside._IS_NOT_AT, outside._IS_AT
    probe = {"table": "entry", "column": "removed_at_s", "where": "1 = 1"}
    lift = [moments._filled(moments._LIFT_STAMPED, one, "{column} + ?3") for one in STAMPED]
    return {
        "mail.listing._LIST": [
            listing._LIST.format(which=which) for which in ("", f" AND {listing._SPAN}")
        ],
        "mail.removed._HIDE": [removed._HIDE.format(uids="(?, ?)")],
        "mail.removed._SHOW": [removed._SHOW.format(uids="(?, ?)")],
        "moments._IS_AHEAD": [moments._IS_AHEAD.format(**probe)],
        "moments._STAMPED": list(_stamped()),
        "moments._COUNTED": [moments._counted(moments._COUNTED, one) for one in COUNTED],
        "moments._LIFT_STAMPED": lift,
        "moments._LIFT_COUNTED": [moments._counted(moments._LIFT_COUNTED, one) for one in COUNTED],
        "people.outside._PAGE": [outside._PAGE.format(away=f"{away} {away}")],
        "people.outside._ACCOUNTS": [outside._ACCOUNTS.format(here=f"{here} OR {here}")],
        "people.recovery._REPLACE": [
            recovery._REPLACE.format(column=column) for column in ("verifier", "numen")
        ],
        "people.search._SEARCH_PEOPLE": [
            people_search._SEARCH_PEOPLE.format(
                conditions=f"1 = 1{words.text} AND account.account_id IN (NULL)"
                f" AND EXISTS ({posts.text})"
            )
        ],
        "people.search._POSTS": [posts.text],
        "people.search._SEARCH_UNITS": [people_search._SEARCH_UNITS.format(conditions=units)],
        "queue.settle._COUNT": [ranges[0], single[0]],
        "queue.settle._DROP": [ranges[1], single[1]],
        "queue.settle._TAKE": [ranges[2], single[2]],
        "queue.search._SCAN": [
            text for scan in scans for text in (scan.statement, scan.last_statement)
        ],
    }


def _statements() -> dict[str, str]:
    """Where it stands -> its text, rows not yet filled in."""
    made, found = _made(), {}
    for module in pkgutil.walk_packages(mailserver.store.sql.__path__, "mailserver.store.sql."):
        short = module.name.removeprefix("mailserver.store.sql.")
        loaded = importlib.import_module(module.name)
        found.update({f"{short}:{line}": text for line, text in _inside(loaded)})
        for name, value in vars(loaded).items():
            texts = value if isinstance(value, tuple) else (value,)
            for n, text in enumerate(texts):
                key = f"{short}.{name}"
                if key in BEGINNINGS or not (isinstance(text, str) and _BEGINS.match(text)):
                    continue
                if key in made:
                    found.update({f"{key}[{i}]": one for i, one in enumerate(made[key])})
                else:
                    found[f"{key}[{n}]" if len(texts) > 1 else key] = text
    return found


def _inside(module: ModuleType) -> Iterator[tuple[int, str]]:
    """(line, text) of those that stand whole inside a function."""
    for function in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Constant) and _is_whole(function, node):
                    yield node.lineno, str(node.value)


def _is_whole(function: ast.FunctionDef, node: ast.Constant) -> bool:
    """A statement, and no piece of an f-string."""
    if not isinstance(node.value, str) or _BEGINS.match(node.value) is None:
        return False
    made = (one for one in ast.walk(function) if isinstance(one, ast.JoinedStr))
    return not any(node in one.values for one in made)


STATEMENTS: Final = _statements()


def _whole(text: str, dialect: Dialect) -> str:
    """With rows, where it has a place for them."""
    rows = re.search(r"\{rows:([a-z\s]+)\}", text)
    if rows is None:
        return text
    nothing = [None] * len(rows[1].split())
    return next(iter(dialect.chunks(text, [nothing, nothing], largest=2))).statement


def test_no_statement_is_left_with_a_hole() -> None:
    """Else it belongs into `_made`, or, as the beginning of others, into `BEGINNINGS`."""
    assert [key for key, text in STATEMENTS.items() if _OPEN.search(text)] == []
    assert len(STATEMENTS) > 300


def test_sqlite_prepares_every_statement(tmp_path: Path) -> None:
    connection = apsw.Connection(str(put_new_store(tmp_path / "store") / "mail.db"))
    connection.execute(SQLITE.schema(counters.SCHEMA))
    refused = {}
    for key, text in STATEMENTS.items():
        try:
            apsw.ext.query_info(connection, _whole(text, SQLITE))
        except apsw.SQLError as error:
            refused[key] = str(error)
    connection.close()
    assert refused == {}


@needs_program("postgres", place=cluster.find_programs())
def test_postgresql_prepares_every_statement() -> None:
    name = new_database()
    refused = {}
    with cluster.connect(name) as connection:
        connection.execute("SET search_path = public, aside")
        for key, text in STATEMENTS.items():
            statement = POSTGRES.translate(_whole(text, POSTGRES))
            try:
                connection.execute(f"PREPARE one AS {statement}".encode())
                connection.execute("DEALLOCATE one")
            except psycopg.Error as error:
                refused[key] = str(error)
    give_back(name)
    assert refused == {}
