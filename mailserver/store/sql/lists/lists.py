"""Lists, their members, rules and roles; who gets a post.

A list's addresses stand in the table of addresses like anybody's, with
`list_id`; their names are kept for ever as given (account 0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mailserver.store.ports.errors import NameTaken
from mailserver.store.ports.lists import (
    Joining,
    ListRole,
    ListRule,
    MailingList,
    Member,
    Posting,
    Standing,
)
from mailserver.store.sql.engine import Connection, ConstraintBroken, Engine, Row, first
from mailserver.store.sql.lists.posts import SqlListPosts
from mailserver.store.sql.lists.readers import SqlReaders
from mailserver.values.address import key_of
from mailserver.values.ids import AccountId, ListId

DAY_S = 86_400.0

_LIST = """
    SELECT list_id, address, prefix, description, language, posting, joining, is_hidden,
        archive_account_id, secret, created_at_s,
        EXISTS (SELECT 1 FROM list_member WHERE list_member.list_id = list.list_id
            AND address_key >= '$')
        OR EXISTS (SELECT 1 FROM list_member WHERE list_member.list_id = list.list_id
            AND address_key < '#')
    FROM list"""
_INSERT_LIST = """
    INSERT INTO list (address, prefix, description, language, posting, joining, is_hidden,
        archive_account_id, secret, created_at_s)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING list_id"""
_CHANGE_LIST = """
    UPDATE list SET prefix = ?, description = ?, language = ?, posting = ?, joining = ?,
        is_hidden = ?, archive_account_id = ? WHERE list_id = ?"""
_INSERT_ADDRESS = """
    INSERT INTO address (address_key, address, list_id, position) VALUES (?, ?, ?, ?)"""
_GIVE_NAME = """
    INSERT INTO given_name (name_key, account_id, given_at_s) VALUES (?, 0, ?)
    ON CONFLICT (name_key) DO UPDATE SET account_id = 0, given_at_s = excluded.given_at_s,
        released_at_s = NULL, free_at_s = NULL
    WHERE given_name.free_at_s <= excluded.given_at_s OR given_name.account_id = 0
    RETURNING name_key"""
_RELEASE_NAMES = """
    UPDATE given_name SET released_at_s = ?, free_at_s = ? WHERE name_key IN
        (SELECT address_key FROM address WHERE list_id = ?)"""
_GONE = (
    "DELETE FROM address WHERE list_id = ?",
    "DELETE FROM list_member WHERE list_id = ?",
    "DELETE FROM list_rule WHERE list_id = ?",
    "DELETE FROM list_role WHERE list_id = ?",
    "DELETE FROM list_wish WHERE list_id = ?",
    "DELETE FROM list_held WHERE list_id = ?",
    "DELETE FROM list WHERE list_id = ?",
)
_ADD_MEMBER = """
    INSERT INTO list_member (list_id, account_id, address, address_key, gets_mail, stopped_why,
        bounce_count)
    VALUES (?, ?, ?, ?, 1, '', 0)
    ON CONFLICT (list_id, address_key) DO UPDATE SET gets_mail = 1, stopped_why = '',
        bounce_count = 0, bounced_at_s = NULL, bounce_since_s = NULL, probed_at_s = NULL
        WHERE list_member.gets_mail = 0
    RETURNING member_id"""
_REMOVE_MEMBER = """
    DELETE FROM list_member WHERE list_id = ? AND address_key = ? RETURNING member_id"""
_STOP_MAIL = """
    INSERT INTO list_member (list_id, account_id, address, address_key, gets_mail, stopped_why,
        bounce_count)
    VALUES (?, ?, '', ?, 0, ?, 0)
    ON CONFLICT (list_id, address_key) DO UPDATE SET gets_mail = 0,
        stopped_why = excluded.stopped_why
    RETURNING member_id"""
_GETS_MAIL = "SELECT gets_mail FROM list_member WHERE list_id = ? AND address_key = ?"
_MEMBER = """
    SELECT member_id, account_id, CASE WHEN account_id IS NULL THEN address ELSE
        coalesce((SELECT address FROM address WHERE address.account_id = list_member.account_id
            ORDER BY position LIMIT 1), '') END, gets_mail, stopped_why FROM list_member"""
_MEMBERS = f"{_MEMBER} WHERE list_id = ? AND member_id > ? ORDER BY member_id LIMIT ?"
_FIND_MEMBER = f"{_MEMBER} WHERE member_id = ?"
_MEMBER_WITH = f"""{_MEMBER} WHERE list_id = ? AND (address_key = ?
    OR account_id = (SELECT account_id FROM address WHERE address.address_key = ?)) LIMIT 1"""
_NOTE_BOUNCE = """
    UPDATE list_member SET
        bounce_count = CASE WHEN bounce_since_s > ? THEN bounce_count + 1 ELSE 1 END,
        bounce_since_s = CASE WHEN bounce_since_s > ? THEN bounce_since_s ELSE ? END,
        bounced_at_s = ?
    WHERE member_id = ? AND (bounced_at_s IS NULL OR bounced_at_s <= ?)"""
_BEGIN_PROBE = """
    UPDATE list_member SET probed_at_s = ?, bounce_count = 0, bounce_since_s = NULL
    WHERE member_id = ? AND (probed_at_s IS NULL OR probed_at_s <= ?) RETURNING member_id"""
_END_PROBE = """
    UPDATE list_member SET probed_at_s = NULL
    WHERE member_id = ? AND probed_at_s > ? AND gets_mail = 1 RETURNING member_id"""
_BOUNCES = "SELECT bounce_count FROM list_member WHERE member_id = ?"
_ADD_RULE = """
    INSERT INTO list_rule (list_id, unit_code, is_below, who, function, nature)
    VALUES (?, ?, ?, ?, ?, ?) RETURNING rule_id"""
_REMOVE_RULE = "DELETE FROM list_rule WHERE list_id = ? AND rule_id = ? RETURNING rule_id"
_WITH_ROLE = """
    SELECT account_id FROM list_role WHERE list_id = ? AND role = ? ORDER BY account_id"""
_GIVE_ROLE = """
    INSERT INTO list_role (list_id, role, account_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"""
_TAKE_ROLE = """
    DELETE FROM list_role WHERE list_id = ? AND role = ? AND account_id = ? RETURNING account_id"""
_ROLES_OF = "SELECT role FROM list_role WHERE list_id = ? AND account_id = ?"
_IS_MEMBER = "SELECT 1 FROM list_member WHERE list_id = ? AND address_key = ?"


class SqlLists(SqlReaders, SqlListPosts):
    """The `Lists` port over an `Engine`."""

    def __init__(self, engine: Engine, *, wake: Callable[[], None]) -> None:
        """wake: tells the agents that something is due."""
        self._engine = engine
        self._wake = wake

    # Lists

    def add_list(
        self, which: MailingList, *, addresses: Sequence[str], owner: AccountId
    ) -> MailingList:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            values = (which.address, *_values(which), which.secret, which.created_at_s)
            row = first(connection.execute(_INSERT_LIST, values))
            assert row is not None, "INSERT ... RETURNING gives its row"
            list_id = ListId(row[0])
            for position, address in enumerate(addresses):
                _give_address(connection, list_id, address, position, which.created_at_s)
            connection.execute(_GIVE_ROLE, (list_id, ListRole.OWNER.value, owner))
        return replace(which, list_id=list_id)

    def change_list(self, which: MailingList) -> None:
        self._write(_CHANGE_LIST, (*_values(which), which.list_id))

    def delete_list(self, list_id: ListId, *, now_s: float, quarantine_s: float) -> None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_RELEASE_NAMES, (now_s, now_s + quarantine_s, list_id))
            for statement in _GONE:
                connection.execute(statement, (list_id,))

    def find_list(self, address_key: str) -> MailingList | None:
        which = "WHERE list_id = (SELECT list_id FROM address WHERE address_key = ?)"
        return _list(first(self._engine.read(f"{_LIST} {which}", (address_key,))))

    def read_list(self, list_id: ListId) -> MailingList | None:
        return _list(first(self._engine.read(f"{_LIST} WHERE list_id = ?", (list_id,))))

    def all_lists(self) -> list[MailingList]:
        found = map(_list, self._engine.read(f"{_LIST} ORDER BY address"))
        return [one for one in found if one is not None]

    # Members

    def add_member(
        self, list_id: ListId, *, account_id: AccountId | None = None, address: str = ""
    ) -> bool:
        return self.add_members(list_id, [(account_id, address)])[0]

    def add_members(
        self, list_id: ListId, members: Sequence[tuple[AccountId | None, str]]
    ) -> list[bool]:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return [
                first(connection.execute(_ADD_MEMBER, _new_member(list_id, *one))) is not None
                for one in members
            ]

    def remove_member(
        self, list_id: ListId, *, account_id: AccountId | None = None, address_key: str = ""
    ) -> bool:
        key = _member_key(account_id, address_key)
        return self._write(_REMOVE_MEMBER, (list_id, key)) is not None

    def stop_mail(
        self,
        list_id: ListId,
        why: str,
        *,
        account_id: AccountId | None = None,
        address_key: str = "",
    ) -> None:
        self._write(_STOP_MAIL, (list_id, account_id, _member_key(account_id, address_key), why))

    def leave(
        self,
        list_id: ListId,
        why: str,
        *,
        account_id: AccountId | None = None,
        address_key: str = "",
    ) -> int | None:
        who = account_id, _member_key(account_id, address_key)
        if self._departure(list_id, why, *who) is None:
            return None
        with self._engine.write_turn():
            write = self._departure(list_id, why, *who)  # again: nobody else writes now
            if write is None:
                return None
            with self._engine.transaction() as connection:
                row = first(connection.execute(*write))
        assert row is not None, "nobody else writes"
        return int(row[0])

    def _departure(
        self, list_id: ListId, why: str, account_id: AccountId | None, key: str
    ) -> tuple[str, Sequence[Any]] | None:
        """What must be written for one to leave; None: nothing."""
        row = first(self._engine.read(_GETS_MAIL, (list_id, key)))
        if account_id is None or not self._is_by_rule(self.rules(list_id), account_id):
            return None if row is None else (_REMOVE_MEMBER, (list_id, key))
        is_noted = row is not None and not row[0]
        return None if is_noted else (_STOP_MAIL, (list_id, account_id, key, why))

    def members(self, list_id: ListId, *, after_id: int, limit: int) -> list[Member]:
        return list(map(_member, self._engine.read(_MEMBERS, (list_id, after_id, limit))))

    def find_member(self, member_id: int) -> Member | None:
        row = first(self._engine.read(_FIND_MEMBER, (member_id,)))
        return None if row is None else _member(row)

    def member_with(self, list_id: ListId, address_key: str) -> Member | None:
        values = (list_id, address_key, address_key)
        row = first(self._engine.read(_MEMBER_WITH, values))
        return None if row is None else _member(row)

    def note_bounce(self, member_id: int, *, now_s: float, within_s: float) -> int:
        since_s = now_s - within_s
        with self._engine.write_turn(), self._engine.transaction() as connection:
            values = (since_s, since_s, now_s, now_s, member_id, now_s - DAY_S)
            connection.execute(_NOTE_BOUNCE, values)
            row = first(connection.execute(_BOUNCES, (member_id,)))
        return 0 if row is None else int(row[0])

    def begin_probe(self, member_id: int, *, now_s: float, within_s: float) -> bool:
        return self._write(_BEGIN_PROBE, (now_s, member_id, now_s - within_s)) is not None

    def end_probe(self, member_id: int, *, now_s: float, within_s: float) -> bool:
        return self._write(_END_PROBE, (member_id, now_s - within_s)) is not None

    # Rules

    def add_rule(self, list_id: ListId, rule: ListRule) -> int:
        where = (list_id, rule.unit_code, int(rule.is_below))
        row = self._write(_ADD_RULE, (*where, rule.who.value, rule.function, rule.nature))
        assert row is not None, "INSERT ... RETURNING gives its row"
        return int(row[0])

    def remove_rule(self, list_id: ListId, rule_id: int) -> bool:
        return self._write(_REMOVE_RULE, (list_id, rule_id)) is not None

    # Roles

    def with_role(self, list_id: ListId, role: ListRole) -> list[AccountId]:
        return [row[0] for row in self._engine.read(_WITH_ROLE, (list_id, role.value))]

    def give_role(self, list_id: ListId, role: ListRole, account_id: AccountId) -> None:
        self._write(_GIVE_ROLE, (list_id, role.value, account_id))

    def take_role(self, list_id: ListId, role: ListRole, account_id: AccountId) -> bool:
        return self._write(_TAKE_ROLE, (list_id, role.value, account_id)) is not None

    def standing(
        self, list_id: ListId, *, account_id: AccountId | None, address_key: str
    ) -> Standing:
        if account_id is None:
            is_member = bool(self._engine.read(_IS_MEMBER, (list_id, address_key)))
            return Standing(is_member=is_member, roles=frozenset())
        roles = self._engine.read(_ROLES_OF, (list_id, account_id))
        by_hand = (list_id, _member_key(account_id, ""))
        is_member = bool(self._engine.read(_IS_MEMBER, by_hand)) or self._is_by_rule(
            self.rules(list_id), account_id
        )
        return Standing(is_member=is_member, roles=frozenset(ListRole(row[0]) for row in roles))

    def _write(self, statement: str, values: Sequence[Any]) -> Row | None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return first(connection.execute(statement, values))


def _give_address(
    connection: Connection, list_id: ListId, address: str, position: int, now_s: float
) -> None:
    key = key_of(address)
    if first(connection.execute(_GIVE_NAME, (key, now_s))) is None:
        raise NameTaken(address)
    try:
        connection.execute(_INSERT_ADDRESS, (key, address, list_id, position))
    except ConstraintBroken:
        raise NameTaken(address) from None


def _new_member(list_id: ListId, account_id: AccountId | None, address: str) -> Sequence[Any]:
    key = _member_key(account_id, address)
    return (list_id, account_id, "" if account_id is not None else address, key)


def _member_key(account_id: AccountId | None, address: str) -> str:
    """`#17` for an account, else the folded address."""
    return f"#{account_id}" if account_id is not None else key_of(address)


def _values(which: MailingList) -> Sequence[Any]:
    return (
        which.prefix,
        which.description,
        which.language,
        which.posting.value,
        which.joining.value,
        int(which.is_hidden),
        which.archive_account_id,
    )


def _list(row: Row | None) -> MailingList | None:
    if row is None:
        return None
    return MailingList(
        list_id=ListId(row[0]),
        address=row[1],
        prefix=row[2],
        description=row[3],
        language=row[4],
        posting=Posting(row[5]),
        joining=Joining(row[6]),
        is_hidden=bool(row[7]),
        archive_account_id=row[8],
        secret=bytes(row[9]),
        created_at_s=row[10],
        has_outside=bool(row[11]),
    )


def _member(row: Row) -> Member:
    member_id, account_id, address, gets_mail, why = row
    return Member(
        member_id=member_id,
        account_id=account_id,
        address=address,
        gets_mail=bool(gets_mail),
        stopped_why=why,
    )
