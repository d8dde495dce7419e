"""Freeing what nobody needs, in slices, each a short turn of the write lock.

    entry hidden by QUIT  --keep_removed-->  row deleted
    message without entry and without unfinished copy: its body is freed
    final copies  --keep_history-->  deleted; a message with neither entry nor copy too

A body's row lets go of its file first; the file is unlinked after the commit,
so a crash in between leaves an orphan for the sweep and never a row without
its file.  A mailbox that a session has locked is left for the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mailserver.queue.copies import FIRST_FINAL
from mailserver.store.ports import MaildropLock, Reclaimed
from mailserver.store.sql.engine import Connection, Engine, first
from mailserver.values.ids import MailboxId

SLICE = 200

LockMaildrop = Callable[[MailboxId], MaildropLock | None]

_REMOVED_ENTRIES = """
    SELECT mailbox_id, uid, message_id FROM entry
    WHERE removed_at_s IS NOT NULL AND removed_at_s <= ? ORDER BY removed_at_s LIMIT ?"""
_DELETED_MAILBOXES = """
    SELECT mailbox.mailbox_id FROM mailbox JOIN account USING (account_id)
    WHERE account.deleted_at_s IS NOT NULL LIMIT 1"""
_ENTRIES_OF = "SELECT mailbox_id, uid, message_id FROM entry WHERE mailbox_id = ? LIMIT ?"
_DELETE_MAILBOX = "DELETE FROM mailbox WHERE mailbox_id = ?"
_DELETE_ENTRY = "DELETE FROM entry WHERE mailbox_id = ? AND uid = ? RETURNING message_id"
_FREE_BODY = """
    UPDATE message SET body = NULL, file_name = NULL WHERE message_id = ?
        AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM copy
            WHERE copy.message_id = message.message_id AND copy.state < ?)
    RETURNING 1"""
_FILE_OF = "SELECT file_name FROM message WHERE message_id = ?"
_DELETE_MESSAGE = """
    DELETE FROM message WHERE message_id = ?
        AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM copy WHERE copy.message_id = message.message_id)"""
_OLD_MESSAGES = """
    SELECT DISTINCT copy.message_id, message.accepted_at_s
    FROM copy JOIN message ON message.message_id = copy.message_id
    WHERE copy.message_id > ? ORDER BY copy.message_id LIMIT ?"""
_DELETE_COPIES = """
    DELETE FROM copy WHERE message_id = ? AND NOT EXISTS (
        SELECT 1 FROM copy AS other WHERE other.message_id = copy.message_id AND other.state < ?)
    RETURNING copy_no"""
_IS_NAMED = "SELECT 1 FROM message WHERE file_name = ?"

Entry = tuple[int, int, int]  # mailbox_id, uid, message_id


@dataclass(slots=True)
class _Freed:
    entry_count: int = 0
    message_count: int = 0
    file_names: list[str] = field(default_factory=list)


class SqlReclaimer:
    """Used by the keeper only."""

    def __init__(
        self, engine: Engine, *, lock_maildrop: LockMaildrop, unlink: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._lock_maildrop = lock_maildrop
        self._unlink = unlink
        self._history_after = 0

    def reclaim(self, *, removed_before_s: float) -> Reclaimed:
        """One slice of hidden entries, and one of the mail of deleted accounts."""
        found = self._engine.read(_REMOVED_ENTRIES, (removed_before_s, SLICE))
        by_mailbox: dict[int, list[Entry]] = {}
        for mailbox_id, uid, message_id in found:
            by_mailbox.setdefault(mailbox_id, []).append((mailbox_id, uid, message_id))
        freed = _Freed()
        for mailbox_id, entries in by_mailbox.items():
            self._under_lock(MailboxId(mailbox_id), entries, freed)
        deleted = first(self._engine.read(_DELETED_MAILBOXES))
        if deleted is not None:
            self._clear_mailbox(MailboxId(deleted[0]), freed)
        for name in freed.file_names:
            self._unlink(name)
        return Reclaimed(freed.entry_count, freed.message_count, len(freed.file_names))

    def expire(self, *, accepted_before_s: float) -> int:
        """One slice of the history, oldest first; starts over when it has reached the young."""
        old = self._engine.read(_OLD_MESSAGES, (self._history_after, SLICE))
        expired = [message_id for message_id, at_s in old if at_s < accepted_before_s]
        self._history_after = expired[-1] if expired else 0
        if not expired:
            return 0
        count = 0
        with self._engine.write_turn(), self._engine.transaction() as connection:
            for message_id in expired:
                rows = connection.execute(_DELETE_COPIES, (message_id, FIRST_FINAL.value))
                count += len(list(rows))
                connection.execute(_DELETE_MESSAGE, (message_id,))
        return count

    def is_named(self, file_name: str) -> bool:
        """Does a message name this body file?"""
        return bool(self._engine.read(_IS_NAMED, (file_name,)))

    def _under_lock(self, mailbox_id: MailboxId, entries: list[Entry], freed: _Freed) -> None:
        lock = self._lock_maildrop(mailbox_id)
        if lock is None:
            return
        try:
            with self._engine.write_turn(), self._engine.transaction() as connection:
                _delete_entries(connection, entries, freed)
        finally:
            lock.release()

    def _clear_mailbox(self, mailbox_id: MailboxId, freed: _Freed) -> None:
        entries = [(m, u, i) for m, u, i in self._engine.read(_ENTRIES_OF, (mailbox_id, SLICE))]
        if entries:
            self._under_lock(mailbox_id, entries, freed)
            return
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_DELETE_MAILBOX, (mailbox_id,))


def _delete_entries(connection: Connection, entries: Iterable[Entry], freed: _Freed) -> None:
    for mailbox_id, uid, message_id in entries:
        if first(connection.execute(_DELETE_ENTRY, (mailbox_id, uid))) is None:
            continue
        freed.entry_count += 1
        name = first(connection.execute(_FILE_OF, (message_id,)))
        state = (message_id, FIRST_FINAL.value)
        if first(connection.execute(_FREE_BODY, state)) is None:
            continue
        freed.message_count += 1
        if name is not None and name[0] is not None:
            freed.file_names.append(name[0])
        connection.execute(_DELETE_MESSAGE, (message_id,))
