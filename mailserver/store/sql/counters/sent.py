"""What accounts sent elsewhere of late, in tables that may be lost.

Slots of a quarter of a minute; only of those in which something was sent is there a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from mailserver.store.ports.shared.sending import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    SLOT_S,
    TEN_HOURS_S,
    TEN_MINUTES_S,
    Sent,
)
from mailserver.store.sql.bulk import select
from mailserver.store.sql.engine import Parameters, Reader, Row
from mailserver.values.ids import AccountId

SCHEMA: Final = """
CREATE {lossy}TABLE IF NOT EXISTS sent (
    account_id {integer} NOT NULL, slot {integer} NOT NULL, messages {integer} NOT NULL,
    recipients {integer} NOT NULL, new_recipients {integer} NOT NULL,
    PRIMARY KEY (account_id, slot)) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS written_to (
    account_id {integer} NOT NULL, digest {blob} NOT NULL,
    PRIMARY KEY (account_id, digest)) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS report_sent (
    day {integer} NOT NULL, digest {blob} NOT NULL, count {integer} NOT NULL,
    PRIMARY KEY (day, digest)) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS over_limit (
    account_id {key}, at_s {real} NOT NULL) {rows};
"""
_ADD = """
    INSERT INTO sent (account_id, slot, messages, recipients, new_recipients)
    VALUES (?, ?, 1, ?, ?) ON CONFLICT (account_id, slot) DO UPDATE
    SET messages = sent.messages + 1, recipients = sent.recipients + excluded.recipients,
        new_recipients = sent.new_recipients + excluded.new_recipients
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
    INSERT INTO written_to (account_id, digest) {rows:integer blob}
    ON CONFLICT DO NOTHING RETURNING 1"""
_ADD_REPORT = """
    INSERT INTO report_sent (day, digest, count) VALUES (?, ?, 1)
    ON CONFLICT (day, digest) DO UPDATE SET count = report_sent.count + 1 RETURNING count"""
_FORGET_REPORTS = "DELETE FROM report_sent WHERE day <> ?"
_BEGIN = """
    INSERT INTO over_limit (account_id, at_s) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1"""
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


class SqlSent:
    """reader: rows, or none where the tables do not answer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def _run(self, statement: str, parameters: Parameters) -> list[Row]:
        return list(self._reader.execute(statement, parameters))

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
        return len(select(self._reader, _MEET, [(account_id, _digest(one)) for one in recipients]))


def _digest(recipient: str) -> bytes:
    octets = recipient.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(octets, digest_size=_DIGEST_OCTETS).digest()
