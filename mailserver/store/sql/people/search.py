"""The directory as people see it: units by the tree, people and units by words.

Words are folded and compared with the beginnings of the words of a key, by
looking through an index of keys in the order in which the answer is wanted.
Where only a unit, a town or a function is asked for, and few have a post
there, those posts are the way in; where many have, the index is again, and
soon has enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mailserver.store.ports.people import Kind, Life, Person, PostDoc, Search, Unit
from mailserver.store.sql.engine import Engine, Reads, Row, first
from mailserver.store.sql.people.documents import addresses_of, nodes_by_id, posts_of
from mailserver.values.address import fold_local
from mailserver.values.ids import AccountId, UnitId
from mailserver.values.words import search_key

FEW: Final = 2_000
"""Posts: up to so many are looked through sooner than everybody's names."""

_LIVES_SHOWN = (Life.PRESENT, Life.ON_LEAVE, Life.LEAVING)
_SHOWN = "account.life IN ({})".format(", ".join(f"'{life.value}'" for life in _LIVES_SHOWN))
_PERSON = """
    SELECT account_id, kind, identifier, given_name, surname, name, life, is_hidden, telephone,
        language
    FROM account WHERE """
_FIND_PERSON = _PERSON + "identifier_key = ?"
_SEARCH_PEOPLE = (
    _PERSON
    + f"""{{conditions}}
        AND account.kind <> '{Kind.ESTABLISHMENT.value}' AND account.life <> '{Life.GONE.value}'
        AND account.deleted_at_s IS NULL
    ORDER BY account.name_key, account.account_id LIMIT ?"""
)
_AFTER_PERSON = """(account.name_key, account.account_id) >
    (SELECT name_key, account_id FROM account WHERE identifier_key = ?)"""
_POSTS = """
    SELECT post.account_id FROM post{join} WHERE post.until_s IS NULL{conditions}"""
_BELOW = """post.unit_id IN (
    WITH RECURSIVE below (unit_id) AS (
        SELECT unit_id FROM unit WHERE code = ?
        UNION SELECT unit.unit_id FROM unit JOIN below ON unit.parent_id = below.unit_id)
    SELECT unit_id FROM below)"""
_SEARCH_UNITS = """
    SELECT unit_id FROM unit WHERE is_gone = 0{conditions} ORDER BY name_key, unit_id LIMIT ?"""
_UNIT_BELOW = _BELOW.replace("post.unit_id", "unit.unit_id")
_AFTER_UNIT = """(unit.name_key, unit.unit_id) >
    (SELECT name_key, unit_id FROM unit WHERE code = ?)"""
_FIND_UNIT = "SELECT unit_id FROM unit WHERE code = ? AND is_gone = 0"
_ROOTS = "SELECT unit_id FROM unit WHERE parent_id IS NULL AND is_gone = 0 ORDER BY name_key"
_CHILDREN = """
    SELECT unit_id FROM unit WHERE is_gone = 0
        AND parent_id = (SELECT unit_id FROM unit WHERE code = ?) ORDER BY name_key"""
_CHILD_COUNT = "SELECT count(*) FROM unit WHERE parent_id = ? AND is_gone = 0"
_PEOPLE_COUNT = """
    SELECT count(DISTINCT account_id) FROM post WHERE unit_id = ? AND until_s IS NULL"""


@dataclass(slots=True)
class _Where:
    """Conditions joined by AND, and what fills their placeholders."""

    text: str = ""
    parameters: tuple[Any, ...] = ()

    def add(self, condition: str, *parameters: Any) -> None:
        self.text += f" AND {condition}"
        self.parameters += parameters

    def add_words(self, column: str, typed: str) -> None:
        """Every word typed begins a word of the column; what holds no letter matches nothing."""
        words = search_key(typed).split()
        if typed and not words:
            self.add("1 = 0")
        for word in words:
            self.add(f"' ' || {column} LIKE ?", f"% {word}%")


class SqlPeopleSearch:
    """Looking at people and units, for the `People` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = Reads(engine)

    def find_person(self, identifier: str) -> Person | None:
        rows = self._engine.read(_FIND_PERSON, (fold_local(identifier),))
        return next(iter(self._people(rows)), None)

    def search_people(self, which: Search, *, after: str, limit: int) -> list[Person]:
        where = _Where()
        where.add_words("account.name_key", which.name)
        if after:
            where.add(_AFTER_PERSON, fold_local(after))
        if not which.with_hidden:
            where.add(f"account.is_hidden = 0 AND {_SHOWN}")
        posts = _posts_where(which)
        if posts is not None:
            few = self._few_accounts(posts)
            if few is not None:
                where.add(f"account.account_id IN ({few})")
            else:
                posts.add("post.account_id = account.account_id")
                where.add(f"EXISTS ({posts.text})", *posts.parameters)
        statement = _SEARCH_PEOPLE.format(conditions="1 = 1" + where.text)
        return self._people(self._engine.read(statement, (*where.parameters, limit)))

    def _few_accounts(self, posts: _Where) -> str | None:
        """Numbers of those who have such a post, with commas; None: they are many."""
        rows = self._engine.read(f"{posts.text} LIMIT {FEW + 1}", posts.parameters)
        return None if len(rows) > FEW else ",".join(str(int(row[0])) for row in rows) or "NULL"

    def search_units(self, which: Search, *, after: str, limit: int) -> list[Unit]:
        where = _Where()
        where.add_words("unit.name_key", which.name)
        where.add_words("unit.town_key", which.town)
        if which.unit_code:
            where.add(_UNIT_BELOW, which.unit_code)
        if which.function:
            where.add("unit.unit_id IN (SELECT unit_id FROM post WHERE until_s IS NULL")
            where.add_words("post.function_key", which.function)
            where.text += ")"
        if after:
            where.add(_AFTER_UNIT, after)
        if not which.with_hidden:
            where.add("unit.is_hidden = 0")
        statement = _SEARCH_UNITS.format(conditions=where.text)
        return self._units(self._engine.read(statement, (*where.parameters, limit)))

    def find_unit(self, code: str) -> Unit | None:
        return next(iter(self._units(self._engine.read(_FIND_UNIT, (code,)))), None)

    def child_units(self, code: str | None) -> list[Unit]:
        if code is None:
            return self._units(self._engine.read(_ROOTS))
        return self._units(self._engine.read(_CHILDREN, (code,)))

    def _people(self, rows: Sequence[Row]) -> list[Person]:
        accounts = [(row[0],) for row in rows]
        posts = posts_of(self._reader, accounts)
        addresses = addresses_of(self._reader, accounts)
        return [_person(row, addresses.get(row[0], ()), posts.get(row[0], ())) for row in rows]

    def _units(self, rows: Sequence[Row]) -> list[Unit]:
        """In the order of the rows."""
        order = {row[0]: n for n, row in enumerate(rows)}
        nodes = sorted(nodes_by_id(self._reader, order), key=lambda node: order[node.unit_id])
        return [
            Unit(
                unit_id=UnitId(node.unit_id),
                doc=node.doc,
                account_id=AccountId(node.member.account_id) if node.member else None,
                child_count=self._count(_CHILD_COUNT, node.unit_id),
                people_count=self._count(_PEOPLE_COUNT, node.unit_id),
            )
            for node in nodes
        ]

    def _count(self, statement: str, unit_id: int) -> int:
        row = first(self._engine.read(statement, (unit_id,)))
        return 0 if row is None else int(row[0])


def _posts_where(which: Search) -> _Where | None:
    """The posts that are asked for; None: none are.  `text` is a whole SELECT."""
    if not (which.unit_code or which.town or which.function):
        return None
    where = _Where()
    if which.unit_code:
        where.add(_BELOW, which.unit_code)
    if which.town:
        where.add_words("unit.town_key", which.town)
    if which.function:
        where.add_words("post.function_key", which.function)
    join = " JOIN unit ON unit.unit_id = post.unit_id" if which.town else ""
    where.text = _POSTS.format(join=join, conditions=where.text)
    return where


def _person(row: Row, addresses: Sequence[str], posts: Sequence[PostDoc]) -> Person:
    account_id, kind, identifier, given_name, surname, name, life, is_hidden, telephone = row[:9]
    return Person(
        account_id=AccountId(account_id),
        kind=Kind(kind),
        identifier=identifier,
        given_name=given_name,
        surname=surname,
        name=name,
        address=addresses[0] if addresses else "",
        life=Life(life),
        is_hidden=bool(is_hidden),
        telephone=telephone,
        posts=tuple(sorted(posts)),
        language=row[9],
    )
