"""What accounts sent elsewhere of late, in the scratch database: it may be lost.

Slots of a quarter of a minute; only of those in which something was sent is there a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from mailserver.store.ports.shared.sending import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    SLOT_S,
    TEN_HOURS_S,
    TEN_MINUTES_S,
    Sent,
)
from mailserver.values.ids import AccountId

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sent (
    account_id INTEGER NOT NULL, slot INTEGER NOT NULL, messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL, new_recipients INTEGER NOT NULL,
    PRIMARY KEY (account_id, slot)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written_to (
    account_id INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (account_id, digest)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report_sent (
    day INTEGER NOT NULL, digest BLOB NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (day, digest)) STRICT, WITHOUT ROWID;
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
    SELECT coalesce(sum(recipients) FILTER (WHERE slot > ?1), 0),
        coalesce(sum(recipients) FILTER (WHERE slot > ?2), 0),
        coalesce(sum(recipients) FILTER (WHERE slot > ?3), 0),
        coalesce(sum(recipients) FILTER (WHERE slot > ?4), 0),
        coalesce(sum(messages) FILTER (WHERE slot > ?3), 0), coalesce(sum(messages), 0),
        coalesce(sum(recipients), 0), coalesce(sum(new_recipients), 0)
    FROM sent WHERE account_id = ?5 AND slot > ?6"""
_WINDOWS_S: Final = (MINUTE_S, TEN_MINUTES_S, HOUR_S, TEN_HOURS_S)
_MEET = """
    INSERT OR IGNORE INTO written_to SELECT ?, unhex(value) FROM json_each(?) RETURNING 1"""
_ADD_REPORT = """
    INSERT INTO report_sent VALUES (?, unhex(?), 1) ON CONFLICT (day, digest) DO UPDATE
    SET count = count + 1 RETURNING count"""
_FORGET_REPORTS = "DELETE FROM report_sent WHERE day <> ?"
_BEGIN = "INSERT OR IGNORE INTO over_limit VALUES (?, ?) RETURNING 1"
_FOUND: Final = (
    "minute_recipients",
    "ten_minutes_recipients",
    "hour_recipients",
    "ten_hours_recipients",
    "hour_messages",
    "day_messages",
    "day_recipients",
    "day_new_recipients",
)
"""What `_SUM` finds, in its order."""
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
        before = [slot - window_s // SLOT_S for window_s in _WINDOWS_S]
        rows = self._run(_SUM, (*before, account_id, last_gone))
        return Sent(**dict(zip(_FOUND, rows[0], strict=True))) if rows else Sent()

    def count_report(self, rewritten: str, *, now_s: float) -> int:
        """Add one report for an address that we rewrote, and read how many came in its day."""
        day = int(now_s // DAY_S)
        rows = self._run(_ADD_REPORT, (day, _digest(rewritten)))
        if rows == [(1,)]:
            self._run(_FORGET_REPORTS, (day,))
        return rows[0][0] if rows else 0

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
