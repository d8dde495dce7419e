"""Who gets a post: those by hand in slices, those by rule as sorted numbers of accounts.

A rule is looked up anew for each post: a teacher who arrived this morning gets
it, one who left does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailserver.store.ports.lists import ListRule, MailingList, Reader, Who
from mailserver.store.ports.people import Life
from mailserver.store.sql.bulk import select
from mailserver.store.sql.dialect import lower_ascii
from mailserver.store.sql.engine import Engine, Reads, Row
from mailserver.values.ids import AccountId, ListId

_UNITS = """
    WITH RECURSIVE below (unit_id) AS (
        SELECT unit_id FROM unit WHERE code = ?
        UNION SELECT unit.unit_id FROM unit JOIN below ON unit.parent_id = below.unit_id WHERE ? = 1
    ), wanted (unit_id, account_id) AS (
        SELECT unit.unit_id, unit.account_id FROM below JOIN unit ON unit.unit_id = below.unit_id
        WHERE unit.closed_at_s IS NULL AND (? = '' OR lower(unit.nature) = ?)
    )"""
_PEOPLE = f"""{_UNITS}
    SELECT DISTINCT post.account_id FROM wanted JOIN post ON post.unit_id = wanted.unit_id
    WHERE post.until_s IS NULL AND (? = '' OR lower(post.function) = ?)"""
_ESTABLISHMENTS = f"""{_UNITS}
    SELECT account_id FROM wanted WHERE account_id IS NOT NULL"""
_ONE = " AND post.account_id = ?"
_ONE_ESTABLISHMENT = " AND account_id = ?"
_HAND_ACCOUNTS = """
    SELECT account_id, gets_mail FROM list_member
    WHERE list_id = ? AND account_id IS NOT NULL"""
_USED = """account.class,
        (SELECT coalesce(sum(octets), 0) FROM mailbox
            WHERE mailbox.account_id = account.account_id),
        (SELECT coalesce(sum(entry_count), 0) FROM mailbox
            WHERE mailbox.account_id = account.account_id)"""
_BY_HAND = f"""
    SELECT member_id, list_member.account_id, inbox_id, coalesce(canonical.address, ''), NULL,
        life, forward_to, keeps_copy, {_USED}
    FROM list_member
        JOIN account ON account.account_id = list_member.account_id
            AND identifier_key IS NOT NULL
        LEFT JOIN address AS canonical ON canonical.account_id = list_member.account_id
            AND canonical.position = 0
    WHERE list_member.list_id = ? AND gets_mail = 1 AND member_id > ? AND member_id <= ?
    UNION ALL
    SELECT member_id, NULL, NULL, list_member.address,
        (SELECT list_id FROM address WHERE address.address_key = list_member.address_key),
        'present', '', 1, '', 0, 0
    FROM list_member
    WHERE list_member.list_id = ? AND list_member.account_id IS NULL AND gets_mail = 1
        AND member_id > ? AND member_id <= ?
    ORDER BY 1"""
_LAST_OF_SLICE = """
    SELECT max(member_id) FROM (SELECT member_id FROM list_member
        WHERE list_id = ? AND member_id > ? ORDER BY member_id LIMIT ?) AS slice"""
_ACCOUNTS = f"""
    WITH wanted (account_id) AS ({{rows:integer}})
    SELECT NULL, account.account_id, inbox_id, coalesce(canonical.address, identifier), NULL,
        life, forward_to, keeps_copy, {_USED}
    FROM wanted JOIN account ON account.account_id = wanted.account_id
            AND identifier_key IS NOT NULL
        LEFT JOIN address AS canonical ON canonical.account_id = account.account_id
            AND canonical.position = 0"""


_RULES = """
    SELECT rule_id, unit_code, is_below, who, function, nature FROM list_rule
    WHERE list_id = ? ORDER BY rule_id"""


class SqlReaders:
    """A part of the `Lists` port."""

    _engine: Engine

    def accounts_by_rule(self, which: MailingList) -> Sequence[int]:
        found: set[int] = set()
        for rule in self.rules(which.list_id):
            found.update(row[0] for row in self._engine.read(*_asked(rule)))
        by_hand: dict[int, int] = dict(self._engine.read(_HAND_ACCOUNTS, (which.list_id,)))
        found.difference_update(by_hand)
        archive_id = which.archive_account_id
        if archive_id is not None and not by_hand.get(archive_id):
            found.add(archive_id)
        return array("q", sorted(found))

    def readers_by_hand(self, list_id: ListId, *, after_id: int, limit: int) -> list[Reader]:
        while True:
            ((last_id,),) = self._engine.read(_LAST_OF_SLICE, (list_id, after_id, limit))
            if last_id is None:
                return []
            which = (list_id, after_id, last_id)
            found = list(map(_reader, self._engine.read(_BY_HAND, (*which, *which))))
            if found:
                return found
            after_id = last_id  # a slice in which nobody gets mail is not the end

    def readers_of(self, account_ids: Sequence[int]) -> list[Reader]:
        with_ids = [(account_id,) for account_id in account_ids]
        rows = select(Reads(self._engine), _ACCOUNTS, with_ids)
        return sorted(map(_reader, rows), key=lambda one: one.account_id or 0)

    def _is_by_rule(self, rules: Sequence[ListRule], account_id: AccountId) -> bool:
        for rule in rules:
            statement, values = _asked(rule)
            one = _ONE if rule.who is Who.PERSON else _ONE_ESTABLISHMENT
            if self._engine.read(statement + one, (*values, account_id)):
                return True
        return False

    def rules(self, list_id: ListId) -> list[ListRule]:
        return [_rule(row) for row in self._engine.read(_RULES, (list_id,))]


def _asked(rule: ListRule) -> tuple[str, tuple[object, ...]]:
    nature, function = lower_ascii(rule.nature), lower_ascii(rule.function)
    units = (rule.unit_code, int(rule.is_below), nature, nature)
    if rule.who is Who.ESTABLISHMENT:
        return _ESTABLISHMENTS, units
    return _PEOPLE, (*units, function, function)


def _reader(row: Row) -> Reader:
    member_id, account_id, mailbox_id, address, list_id, life, forward_to, *rest = row
    keeps_copy, class_name, used_octets, used_count = rest
    return Reader(
        member_id=member_id,
        account_id=account_id,
        mailbox_id=mailbox_id,
        address=address,
        list_id=list_id,
        life=Life(life),
        forward_to=forward_to,
        keeps_copy=bool(keeps_copy),
        class_name=class_name or "",
        used_octets=used_octets,
        used_count=used_count,
    )


def _rule(row: Row) -> ListRule:
    rule_id, code, is_below, who, function, nature = row
    return ListRule(
        rule_id=rule_id,
        unit_code=code,
        is_below=bool(is_below),
        who=Who(who),
        function=function,
        nature=nature,
    )
