"""Where an address leads, with all that RCPT must know: one statement, by keys only."""

from __future__ import annotations

from mailserver.store.people import Life, Target
from mailserver.store.sql.engine import Engine, first

# What an account uses is the sum over its few mailboxes, whose counters are always right.
_FIND = """
    SELECT address.mailbox_id, address.list_id, account.account_id, account.class,
        coalesce(sum(mailbox.octets), 0), coalesce(sum(mailbox.entry_count), 0),
        account.life, account.forward_to, account.keeps_copy
    FROM address
        LEFT JOIN account ON account.account_id = address.account_id
        LEFT JOIN mailbox ON mailbox.account_id = account.account_id
    WHERE address.address_key = ?
    GROUP BY address.address_key"""
_LIVES = {life.value: life for life in Life}


class SqlTargets:
    """`People.find_target`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_target(self, address_key: str) -> Target | None:
        row = first(self._engine.read(_FIND, (address_key,)))
        if row is None:
            return None
        mailbox_id, list_id, account_id, class_name, octets, count, life, forward_to, keeps = row
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
        )
