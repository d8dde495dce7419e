"""Gaps in the numbers that are never used again: of messages, and of entries in mailboxes."""

from __future__ import annotations

from mailserver.store.sql.engine import Connection

GAP = 100_000
"""More than all writers together have committed and not yet synced: a batch of a thousand each."""

BOOT = "SELECT value FROM counter WHERE name = 'boot'"
_SKIP_MESSAGES = "UPDATE counter SET value = value + ? WHERE name = 'message'"
_SKIP_ENTRIES = "UPDATE mailbox SET next_uid = next_uid + ?, modseq = modseq + ?"
_NOTE_BOOT = """
    INSERT INTO counter (name, value) VALUES ('boot', ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


def leave_gap(connection: Connection, boot: int, *, is_new: bool) -> None:
    """Note this boot; numbers go on behind a gap, unless the store is new."""
    if not is_new:
        connection.execute(_SKIP_MESSAGES, (GAP,))
        connection.execute(_SKIP_ENTRIES, (GAP, GAP))
    connection.execute(_NOTE_BOOT, (boot,))
