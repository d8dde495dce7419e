"""What accounts sent elsewhere of late, in the scratch database: it may be lost.

Slots of five minutes; a day of one account is at most 289 rows, read by key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from mailserver.quota.sending import DAY_S, HOUR_S, SLOT_S, Sent
from mailserver.values.ids import AccountId

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sent (
    account_id INTEGER NOT NULL, slot INTEGER NOT NULL, messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL, new_recipients INTEGER NOT NULL,
    PRIMARY KEY (account_id, slot)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written_to (
    account_id INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (account_id, digest)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS over_limit (
    account_id INTEGER PRIMARY KEY, at_s REAL NOT NULL) STRICT;
"""
_ADD = """
    INSERT INTO sent VALUES (?, ?, 1, ?, ?) ON CONFLICT (account_id, slot) DO UPDATE
    SET messages = messages + 1, recipients = recipients + excluded.recipients,
        new_recipients = new_recipients + excluded.new_recipients
    RETURNING messages"""
_FORGET = "DELETE FROM sent WHERE account_id = ? AND slot <= ?"
_SUM = """
    SELECT coalesce(sum(messages) FILTER (WHERE slot > ?), 0), coalesce(sum(messages), 0),
        coalesce(sum(recipients), 0), coalesce(sum(new_recipients), 0)
    FROM sent WHERE account_id = ? AND slot > ?"""
_MEET = """
    INSERT OR IGNORE INTO written_to SELECT ?, unhex(value) FROM json_each(?) RETURNING 1"""
_BEGIN = "INSERT OR IGNORE INTO over_limit VALUES (?, ?) RETURNING 1"
_DIGEST_OCTETS: Final = 8

Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


class SqliteSent:
    """Counts over a scratch database.  run: rows, or none where it does not answer."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def count_sent(
        self, account_id: AccountId, recipients: Sequence[str], *, meets: bool, now_s: float
    ) -> Sent:
        """Add one message, and read what there is.

        recipients: folded addresses.  meets: count those it never wrote to, which costs a row each.
        """
        slot = int(now_s // SLOT_S)
        new_count = self._meet(account_id, recipients) if meets else 0
        last_gone = slot - DAY_S // SLOT_S
        if self._run(_ADD, (account_id, slot, len(recipients), new_count)) == [(1,)]:
            self._run(_FORGET, (account_id, last_gone))  # a slot begins: another one ends
        since = (slot - HOUR_S // SLOT_S, account_id, last_gone)
        rows = self._run(_SUM, since)
        if not rows:
            return Sent()
        hour, day, recipient_count, day_new = rows[0]
        return Sent(
            hour_messages=hour,
            day_messages=day,
            day_recipients=recipient_count,
            day_new_recipients=day_new,
        )

    def begin_over_limit(self, account_id: AccountId, *, now_s: float) -> bool:
        """True for the first one only, until the account is released."""
        return bool(self._run(_BEGIN, (account_id, now_s)))

    def over_limit(self) -> dict[AccountId, float]:
        """Accounts over a limit, and since when."""
        return dict(self._run("SELECT account_id, at_s FROM over_limit", ()))

    def forget_sent(self, account_id: AccountId) -> None:
        """Released: it begins anew."""
        self._run("DELETE FROM sent WHERE account_id = ?", (account_id,))
        self._run("DELETE FROM over_limit WHERE account_id = ?", (account_id,))

    def _meet(self, account_id: AccountId, recipients: Sequence[str]) -> int:
        digests = ",".join(f'"{_digest(one)}"' for one in recipients)
        return len(self._run(_MEET, (account_id, f"[{digests}]")))


def _digest(recipient: str) -> str:
    octets = recipient.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(octets, digest_size=_DIGEST_OCTETS).hexdigest()
