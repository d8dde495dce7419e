"""From rows to documents: what the store keeps of people and of units.

Reads of many at a time, a constant number of statements for each chunk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailserver.store.ports.people import Kind, Life, PersonDoc, PostDoc, RelationKind, UnitDoc
from mailserver.store.sql.bulk import select
from mailserver.store.sql.engine import Reader, Row

_MEMBERS = """
    SELECT account_id, kind, source_key, identifier, given_name, surname, class, language, life,
        life_until_s, life_since_s, is_hidden, telephone, inbox_id, verifier IS NOT NULL, name
    FROM account WHERE """
_BY_IDENTIFIER: Final = _MEMBERS + "identifier_key IN ({rows:text})"
_BY_SOURCE: Final = _MEMBERS + "source_key IN ({rows:text})"
_BY_ACCOUNT: Final = _MEMBERS + "account_id IN ({rows:integer}) AND deleted_at_s IS NULL"
_ADDRESSES = """
    SELECT account_id, address FROM address WHERE account_id IN ({rows:integer})
    ORDER BY account_id, position, address_key"""
_POSTS = """
    SELECT post.account_id, unit.code, post.function, post.subject
    FROM post JOIN unit ON unit.unit_id = post.unit_id
    WHERE post.account_id IN ({rows:integer}) AND post.until_s IS NULL"""
_CORRESPONDENTS = f"""
    SELECT relation.account_id, unit.code
    FROM relation JOIN unit ON unit.unit_id = relation.of_unit
    WHERE relation.account_id IN ({{rows:integer}}) AND relation.until_s IS NULL
        AND relation.kind = '{RelationKind.CORRESPONDENT.value}'"""
_UNIT = """
    SELECT unit.unit_id, unit.code, unit.kind, unit.name, unit.nature, parent.code, unit.street,
        unit.postcode, unit.town, unit.telephone, unit.web_site, unit.is_hidden, unit.closed_at_s,
        unit.is_gone, unit.account_id
    FROM unit LEFT JOIN unit AS parent ON parent.unit_id = unit.parent_id """
_UNITS_BY_CODE: Final = _UNIT + "WHERE unit.code IN ({rows:text})"
_UNITS_BY_ID: Final = _UNIT + "WHERE unit.unit_id IN ({rows:integer})"


@dataclass(slots=True)
class AccountDraft:
    """An account of a person or of an establishment: what it was, and what it becomes.

    account_id: negative until the account has its row.
    doc: as it stands now; of one who is gone, with the names they had.
    was: as it was read; None: there was none.
    """

    account_id: int
    kind: Kind
    doc: PersonDoc
    was: PersonDoc | None = None
    life_since_s: float | None = None
    inbox_id: int | None = None
    has_verifier: bool = False
    verifier: str | None = None  # to be written

    @property
    def is_gone(self) -> bool:
        return self.doc.life is Life.GONE


@dataclass(slots=True)
class Node:
    """A unit: what it was, and what it becomes.  unit_id: negative until it has its row."""

    unit_id: int
    doc: UnitDoc
    was: UnitDoc | None = None
    is_gone: bool = False
    was_gone: bool = False
    closed_at_s: float | None = None
    member: AccountDraft | None = None


def members_by_source(reader: Reader, source_keys: Iterable[str]) -> list[AccountDraft]:
    return _members(reader, select(reader, _BY_SOURCE, [(key,) for key in source_keys]))


def members_by_identifier(reader: Reader, keys: Iterable[str]) -> list[AccountDraft]:
    return _members(reader, select(reader, _BY_IDENTIFIER, [(key,) for key in keys]))


def members_by_account(reader: Reader, account_ids: Iterable[int]) -> list[AccountDraft]:
    return _members(reader, select(reader, _BY_ACCOUNT, [(one,) for one in account_ids]))


def nodes_by_code(reader: Reader, codes: Iterable[str], *, whole: bool = True) -> list[Node]:
    """whole: with their accounts; without, identifier and addresses are left empty."""
    rows = select(reader, _UNITS_BY_CODE, [(code,) for code in codes])
    return _nodes(reader, rows, whole=whole)


def nodes_by_id(reader: Reader, unit_ids: Iterable[int]) -> list[Node]:
    return _nodes(reader, select(reader, _UNITS_BY_ID, [(one,) for one in unit_ids]), whole=True)


def posts_of(reader: Reader, accounts: Sequence[tuple[int]]) -> dict[int, list[PostDoc]]:
    """What each of these accounts does where, now."""
    posts: dict[int, list[PostDoc]] = defaultdict(list)
    for account_id, *post in select(reader, _POSTS, accounts):
        posts[account_id].append(PostDoc(*post))
    return posts


def addresses_of(reader: Reader, accounts: Sequence[tuple[int]]) -> dict[int, list[str]]:
    return _grouped(select(reader, _ADDRESSES, accounts))


def _members(reader: Reader, rows: list[Row]) -> list[AccountDraft]:
    accounts = [(row[0],) for row in rows]
    addresses = addresses_of(reader, accounts)
    posts = posts_of(reader, accounts)
    units = _grouped(select(reader, _CORRESPONDENTS, accounts))
    return [
        _member(row, addresses.get(row[0], ()), posts.get(row[0], ()), units.get(row[0], ()))
        for row in rows
    ]


def _member(
    row: Row, addresses: Sequence[str], posts: Sequence[PostDoc], units: Sequence[str]
) -> AccountDraft:
    account_id, kind, source_key, identifier, given_name, surname, class_name, language = row[:8]
    life, life_until_s, life_since_s, is_hidden, telephone, inbox_id, has_verifier, name = row[8:]
    doc = PersonDoc(
        source_key=source_key or "",
        identifier=identifier,
        given_name=given_name,
        surname=surname or ("" if given_name else name),  # made by hand: one name, as it is
        addresses=tuple(addresses),
        class_name=class_name,
        language=language,
        life=Life(life),
        life_until_s=life_until_s,
        is_hidden=bool(is_hidden),
        telephone=telephone,
        posts=tuple(posts),
        correspondent_of=tuple(units),
    )
    return AccountDraft(
        account_id=account_id,
        kind=Kind(kind),
        doc=doc,
        was=doc,
        life_since_s=life_since_s,
        inbox_id=inbox_id,
        has_verifier=bool(has_verifier),
    )


def _nodes(reader: Reader, rows: list[Row], *, whole: bool) -> list[Node]:
    accounts = [row[-1] for row in rows if row[-1] is not None] if whole else []
    members = {one.account_id: one for one in members_by_account(reader, accounts)}
    return [_node(row, members.get(row[-1])) for row in rows]


def _node(row: Row, member: AccountDraft | None) -> Node:
    unit_id, code, kind, name, nature, parent_code, street, postcode, town = row[:9]
    telephone, web_site, is_hidden, closed_at_s, is_gone = row[9:14]
    has_account = member is not None and not member.is_gone
    doc = UnitDoc(
        code=code,
        kind=kind,
        name=name,
        nature=nature,
        parent_code=parent_code or "",
        street=street,
        postcode=postcode,
        town=town,
        telephone=telephone,
        web_site=web_site,
        is_hidden=bool(is_hidden),
        is_closed=closed_at_s is not None,
        identifier=member.doc.identifier if member is not None and has_account else "",
        addresses=member.doc.addresses if member is not None and has_account else (),
    )
    return Node(
        unit_id=unit_id,
        doc=doc,
        was=doc,
        is_gone=bool(is_gone),
        was_gone=bool(is_gone),
        closed_at_s=closed_at_s,
        member=member,
    )


def _grouped(rows: Iterable[Row]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    for key, value in rows:
        groups[key].append(value)
    return groups
