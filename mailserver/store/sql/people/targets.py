"""Where an address leads, with all that RCPT must know: one statement, by keys only."""

from __future__ import annotations

from collections.abc import Iterator

from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.people import Life, RelationKind
from mailserver.store.ports.targets import Target, Usage
from mailserver.store.sql.engine import Engine, first
from mailserver.values.address import fold_local
from mailserver.values.ids import AccountId

# What an account uses is the sum over its few mailboxes, whose counters are always right.
_FIND = """
    SELECT address.mailbox_id, address.list_id, account.account_id, account.class,
        coalesce(sum(mailbox.octets), 0), coalesce(sum(mailbox.entry_count), 0),
        account.life, account.forward_to, account.keeps_copy, account.shows_forward
    FROM address
        LEFT JOIN account ON account.account_id = address.account_id
        LEFT JOIN mailbox ON mailbox.account_id = account.account_id
    WHERE address.address_key = ?
    GROUP BY address.address_key, account.account_id"""
_CLASS = "SELECT class FROM account WHERE account_id = ?"
_USAGE = """
    SELECT account.account_id, account.identifier, account.class, account.language,
        account.inbox_id, coalesce(sum(mailbox.octets), 0), coalesce(sum(mailbox.entry_count), 0),
        account.identifier_key
    FROM account LEFT JOIN mailbox ON mailbox.account_id = account.account_id
    WHERE account.identifier_key > ? GROUP BY account.account_id
    ORDER BY account.identifier_key LIMIT ?"""
_HERE = ", ".join(f"'{life.value}'" for life in (Life.PRESENT, Life.ON_LEAVE, Life.LEAVING))
# The nearest level of the tree where somebody else answers: a unit of theirs, or one above.
_ANSWERABLE = f"""
    WITH RECURSIVE own (unit_id) AS (
        SELECT post.unit_id FROM account
            JOIN post ON post.account_id = account.account_id AND post.until_s IS NULL
        WHERE account.identifier_key = ?1
        UNION SELECT unit.unit_id FROM account
            JOIN unit ON unit.code = account.identifier_key
                AND unit.account_id = account.account_id
        WHERE account.identifier_key = ?1),
    above (unit_id, level) AS (
        SELECT unit_id, 0 FROM own
        UNION SELECT unit.parent_id, above.level + 1
        FROM above JOIN unit ON unit.unit_id = above.unit_id WHERE unit.parent_id IS NOT NULL),
    answering (identifier, level) AS (
        SELECT account.identifier, above.level FROM above
            JOIN relation ON relation.of_unit = above.unit_id
                AND relation.kind = '{RelationKind.CORRESPONDENT.value}'
                AND relation.since_s <= ?2
                AND (relation.until_s IS NULL OR relation.until_s > ?2)
            JOIN account ON account.account_id = relation.account_id
        WHERE account.identifier_key <> ?1 AND account.state = '{AccountState.ACTIVE.value}'
            AND account.life IN ({_HERE}))
    SELECT DISTINCT identifier FROM answering
    WHERE level = (SELECT min(level) FROM answering) ORDER BY identifier LIMIT 10"""
_READ_FORWARD = "SELECT forward_to, keeps_copy, shows_forward FROM account WHERE account_id = ?"
_SET_FORWARD = """
    UPDATE account SET forward_to = ?, keeps_copy = ?, shows_forward = ? WHERE account_id = ?"""
_NOTE_FORWARD = """
    INSERT INTO account_event (account_id, number, at_s, by_whom, what, details)
    SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?
    FROM account_event WHERE account_id = ?"""
_SLICE = 500
_LIVES = {life.value: life for life in Life}


class SqlTargets:
    """`People.find_target`, and what accounts use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_target(self, address_key: str) -> Target | None:
        row = first(self._engine.read(_FIND, (address_key,)))
        if row is None:
            return None
        mailbox_id, list_id, account_id, class_name, octets, count, life, *forward = row
        forward_to, keeps, shows = forward
        return Target(
            mailbox_id=mailbox_id,
            list_id=list_id,
            account_id=account_id,
            class_name=class_name or "",
            used_octets=octets,
            used_count=count,
            life=_LIVES.get(life, Life.PRESENT),
            forward_to=forward_to or "",
            keeps_copy=keeps != 0,
            shows_forward=bool(shows),
        )

    def read_forward(self, account_id: AccountId) -> tuple[str, bool, bool]:
        """(where to, or empty; does a copy stay?; may senders read where to?)."""
        row = first(self._engine.read(_READ_FORWARD, (account_id,)))
        return ("", True, False) if row is None else (row[0], bool(row[1]), bool(row[2]))

    def set_forward(
        self,
        account_id: AccountId,
        to: str,
        *,
        keeps_copy: bool,
        is_shown: bool = False,
        by_whom: str,
        now_s: float,
    ) -> None:
        """The account and its history, in one transaction."""
        what = "forwarding set" if to else "forwarding ended"
        details = to and f"{to}, {'a copy stays' if keeps_copy else 'no copy stays'}"
        details += ", shown to senders" if to and is_shown else ""
        with self._engine.write_turn(), self._engine.transaction() as connection:
            flags = int(keeps_copy or not to), int(is_shown and bool(to))
            connection.execute(_SET_FORWARD, (to, *flags, account_id))
            event = (account_id, now_s, by_whom, what, details, account_id)
            connection.execute(_NOTE_FORWARD, event)

    def read_class(self, account_id: AccountId) -> str:
        """Empty: the default one."""
        row = first(self._engine.read(_CLASS, (account_id,)))
        return "" if row is None else str(row[0] or "")

    def answerable_for(self, identifier: str, *, now_s: float) -> list[str]:
        """Correspondents of its units now, else of the nearest units above; ten at most."""
        return [row[0] for row in self._engine.read(_ANSWERABLE, (fold_local(identifier), now_s))]

    def list_usage(self) -> Iterator[Usage]:
        """Every account by identifier, read in slices."""
        after = ""
        while rows := self._engine.read(_USAGE, (after, _SLICE)):
            for account_id, identifier, class_name, language, inbox_id, octets, count, _ in rows:
                yield Usage(
                    account_id=account_id,
                    identifier=identifier,
                    class_name=class_name or "",
                    language=language or "",
                    inbox_id=inbox_id,
                    octets=octets,
                    count=count,
                )
            after = rows[-1][-1]
