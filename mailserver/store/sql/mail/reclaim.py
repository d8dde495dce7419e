"""Freeing what nobody needs, in slices, each one short turn of the write lock.

    entry hidden by QUIT  --keep_removed, or the disk is short-->  row deleted
    last copy of a message left the queue (`spent`)  --at once-->  looked at
    message without entry, unfinished copy and owed report: its body is freed
    final copies  --keep_history-->  deleted, and their attempts; a message with neither
        entry nor copy too
    destination for which nothing waits and that nobody suspended: deleted

A body's row lets go of its file first; the file is unlinked after the commit,
so a crash in between leaves an orphan for the sweep and never a row without
its file.

A mailbox that a session has locked is left for a later round.  To try its lock
once is enough, and it need not be kept: whoever locks the mailbox afterwards
fixes his maildrop after the removal, so he does not list what is freed here,
and a log-in meets a taken lock only for the moment of the trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from mailserver.queue.copies import FIRST_FINAL
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.store.ports.upkeep import Reclaimed
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection, Engine, Row, first, with_reserve
from mailserver.values.ids import MailboxId

SLICE = 200
"""Entries, or messages of the history, that one turn looks at."""
LARGEST_COUNT = 32
"""Mailboxes that hide the most, where removed messages must go before their time: the first one
that no session has open gives a slice, so that who removes much does not cost others theirs."""
COPIES_SLICE = 1_000
"""Copies that one turn forgets; one message may have as many."""

LockMaildrop = Callable[[MailboxId], MaildropLock | None]
UnlinkAll = Callable[[Sequence[str]], None]

_REMOVED_ENTRIES = """
    SELECT removed_at_s, mailbox_id, uid, message_id FROM entry
    WHERE removed_at_s IS NOT NULL AND removed_at_s <= ?
        AND (removed_at_s, mailbox_id, uid) > (?, ?, ?)
    ORDER BY removed_at_s, mailbox_id, uid LIMIT ?"""
_LARGEST = """
    SELECT mailbox_id FROM mailbox WHERE removed_count > 0
    ORDER BY removed_octets DESC, mailbox_id LIMIT ?"""
_HIDDEN_OF = """
    SELECT mailbox_id, uid, message_id FROM entry
    WHERE mailbox_id = ? AND removed_modseq IS NOT NULL ORDER BY uid LIMIT ?"""
_DELETED_MAILBOXES = """
    SELECT min(mailbox_id) FROM mailbox WHERE mailbox_id > ? AND account_id IN
        (SELECT account_id FROM account WHERE deleted_at_s IS NOT NULL)"""
_ENTRIES_OF = "SELECT mailbox_id, uid, message_id FROM entry WHERE mailbox_id = ? LIMIT ?"
_DELETE_MAILBOX = """
    DELETE FROM mailbox WHERE mailbox_id = ?
        AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.mailbox_id = mailbox.mailbox_id)"""
# Of what is hidden: somebody may have put it back since it was looked at.
_DELETE_ENTRY = """
    DELETE FROM entry WHERE mailbox_id = ? AND uid = ? AND (removed_modseq IS NOT NULL OR ? = 1)
    RETURNING removed_modseq IS NOT NULL, coalesce(share_octets, octets)"""
_LESS_REMOVED = """
    UPDATE mailbox SET removed_count = removed_count - ?, removed_octets = removed_octets - ?
    WHERE mailbox_id = ?"""
_FREE_BODY = """
    UPDATE message SET body = NULL, file_name = NULL WHERE message_id = ?
        AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM copy
            WHERE copy.message_id = message.message_id AND copy.state < ?)
        AND NOT EXISTS (SELECT 1 FROM owed_report
            WHERE owed_report.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM list_post
            WHERE list_post.derived_id = message.message_id AND list_post.stage < 2)
    RETURNING 1"""
_OLD_SEEN = "SELECT digest FROM list_seen WHERE at_s < ? ORDER BY at_s LIMIT ?"
_FORGET_SEEN = "DELETE FROM list_seen WHERE digest IN ({rows:blob})"
_SPENT = "SELECT message_id FROM spent WHERE message_id > ? ORDER BY message_id LIMIT ?"
_FREEABLE = """
    SELECT message_id, file_name FROM message WHERE message_id IN ({rows:integer})
        AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM owed_report
            WHERE owed_report.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM list_post
            WHERE list_post.derived_id = message.message_id AND list_post.stage < 2)"""
_FREE_BODIES = """
    UPDATE message SET body = NULL, file_name = NULL WHERE message_id IN ({rows:integer})"""
# What a report is owed of stays until it is made; an entry frees its message when it goes.
_FORGET_SPENT = """
    DELETE FROM spent WHERE message_id IN ({rows:integer})
        AND NOT EXISTS (SELECT 1 FROM owed_report
            WHERE owed_report.message_id = spent.message_id)"""
_FILE_OF = "SELECT file_name FROM message WHERE message_id = ?"
_DELETE_MESSAGE = """
    DELETE FROM message WHERE message_id = ?
        AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.message_id = message.message_id)
        AND NOT EXISTS (SELECT 1 FROM copy WHERE copy.message_id = message.message_id)"""
_OLD_MESSAGES = """
    SELECT copy.message_id, count(*), min(copy.state),
        (SELECT accepted_at_s FROM message WHERE message.message_id = copy.message_id),
        EXISTS (SELECT 1 FROM owed_report WHERE owed_report.message_id = copy.message_id)
    FROM copy WHERE copy.message_id > ?
    GROUP BY copy.message_id ORDER BY copy.message_id LIMIT ?"""
_DELETE_COPIES = "DELETE FROM copy WHERE message_id = ?"
_DELETE_ATTEMPTS = "DELETE FROM attempt WHERE message_id = ?"
_DELETE_POSTS = "DELETE FROM list_post WHERE message_id = ?"
_DELETE_HOLDS = "DELETE FROM list_held WHERE message_id = ?"
_OF_HISTORY = (_DELETE_COPIES, _DELETE_ATTEMPTS, _DELETE_POSTS, _DELETE_HOLDS, _DELETE_MESSAGE)
_IDLE_HOPS = """
    SELECT destination_id FROM destination
    WHERE next_due_at_s IS NULL AND (suspended_until_s IS NULL OR suspended_until_s <= ?)
        AND (failure_count = 0 OR last_error_at_s < ?)
        AND NOT EXISTS (SELECT 1 FROM queue
            WHERE queue.destination_id = destination.destination_id)
    LIMIT ?"""
_DELETE_HOPS = "DELETE FROM destination WHERE destination_id IN ({rows:integer})"
_IS_NAMED = "SELECT 1 FROM message WHERE file_name = ?"

Entry = tuple[int, int, int]  # mailbox_id, uid, message_id
_START = (-1.0, 0, 0)
_T = TypeVar("_T")


@dataclass(slots=True)
class _Freed:
    entry_count: int = 0
    message_count: int = 0
    file_names: list[str] = field(default_factory=list)

    def add(self, other: _Freed) -> None:
        self.entry_count += other.entry_count
        self.message_count += other.message_count
        self.file_names += other.file_names


class SqlReclaimer:
    """Used by the keeper only.  It remembers how far it came, so that nothing starves."""

    def __init__(
        self, engine: Engine, *, lock_maildrop: LockMaildrop, unlink_all: UnlinkAll
    ) -> None:
        """unlink_all: gets names of body files; those that it leaves are orphans."""
        self._engine = engine
        self._lock_maildrop = lock_maildrop
        self._unlink_all = unlink_all
        self._removed_after: tuple[float, int, int] = _START
        self._deleted_after = 0
        self._history_after = 0
        self._spent_after = 0

    def reclaim(
        self, *, removed_before_s: float, is_crowded: Callable[[], bool] = lambda: False
    ) -> Reclaimed:
        """One slice of hidden entries, of the mail of deleted accounts, of what was relayed.

        is_crowded: must hidden entries go before their time?
        """
        freed = _Freed()
        entries = self._removed_entries(removed_before_s)
        if not entries and is_crowded():
            entries = self._hidden_of_largest()
        if entries:
            freed.add(self._run(lambda one: _delete_entries(one, entries, all_of_them=False)))
        self._clear_deleted(freed)
        self._clear_spent(freed)
        if freed.file_names:
            self._unlink_all(freed.file_names)
        return Reclaimed(freed.entry_count, freed.message_count, len(freed.file_names))

    def expire(self, *, accepted_before_s: float, now_s: float) -> int:
        """One slice of the history, oldest first; starts over when it has reached the young.

        Messages with an unfinished copy, or of which a report is owed, keep all of
        theirs.  Slices full of those are passed over, so 0 means that nothing is
        left to forget.
        """
        self._forget_idle_hops(accepted_before_s, now_s)
        while True:
            expired, count, is_last = self._next_expired(accepted_before_s)
            if expired or is_last:
                break
        if expired:
            self._run(lambda connection: _forget_copies(connection, expired))
        return count

    def forget_seen(self, *, before_s: float) -> int:
        """One slice of the Message-IDs that lists need not know any more."""
        found = self._engine.read(_OLD_SEEN, (before_s, SLICE))
        if found:
            self._run(lambda connection: insert(connection, _FORGET_SEEN, found))
        return len(found)

    def is_named(self, file_name: str) -> bool:
        """Does a message name this body file?"""
        return bool(self._engine.read(_IS_NAMED, (file_name,)))

    def _removed_entries(self, removed_before_s: float) -> list[Entry]:
        """The next hidden entries in time, without those of mailboxes in use."""
        while True:
            parameters = (removed_before_s, *self._removed_after, SLICE)
            found = self._engine.read(_REMOVED_ENTRIES, parameters)
            is_last = len(found) < SLICE
            self._removed_after = _START if is_last else found[-1][:3]
            in_use = {m for m in {row[1] for row in found} if self._is_in_use(m)}
            entries = [(m, uid, message_id) for _, m, uid, message_id in found if m not in in_use]
            if entries or is_last:
                return entries

    def _hidden_of_largest(self) -> list[Entry]:
        """A slice of the mailbox that hides the most and is not in use, its oldest first."""
        for (mailbox_id,) in self._engine.read(_LARGEST, (LARGEST_COUNT,)):
            if not self._is_in_use(mailbox_id):
                return [(m, u, i) for m, u, i in self._engine.read(_HIDDEN_OF, (mailbox_id, SLICE))]
        return []

    def _is_in_use(self, mailbox_id: int) -> bool:
        lock = self._lock_maildrop(MailboxId(mailbox_id))
        if lock is None:
            return True
        lock.release()
        return False

    def _clear_deleted(self, freed: _Freed) -> None:
        """A slice of one deleted account's mailbox; the mailbox itself once it is empty."""
        row = first(self._engine.read(_DELETED_MAILBOXES, (self._deleted_after,)))
        if row is None or row[0] is None:
            self._deleted_after = 0
            return
        mailbox_id = row[0]
        if self._is_in_use(mailbox_id):
            self._deleted_after = mailbox_id
            return
        entries = [(m, u, i) for m, u, i in self._engine.read(_ENTRIES_OF, (mailbox_id, SLICE))]

        def clear(connection: Connection) -> _Freed:
            found = _delete_entries(connection, entries, all_of_them=True)
            connection.execute(_DELETE_MAILBOX, (mailbox_id,))
            return found

        freed.add(self._run(clear))

    def _clear_spent(self, freed: _Freed) -> None:
        """A slice of messages whose last copy has left the queue."""
        spent = self._engine.read(_SPENT, (self._spent_after, SLICE))
        self._spent_after = spent[-1][0] if len(spent) == SLICE else 0
        if not spent:
            return

        def forget(connection: Connection) -> list[Row]:
            found = select(connection, _FREEABLE, spent)
            insert(connection, _FREE_BODIES, [row[:1] for row in found])
            insert(connection, _FORGET_SPENT, spent)
            return found

        freeable = self._run(forget)
        freed.message_count += len(freeable)
        freed.file_names += [name for _, name in freeable if name is not None]

    def _forget_idle_hops(self, error_before_s: float, now_s: float) -> None:
        """A slice of destinations that say nothing any more; who writes there makes a new one."""
        which = (now_s, error_before_s, SLICE)
        if self._engine.read(_IDLE_HOPS, which):
            # Asked again: somebody may have queued or suspended meanwhile.
            self._run(lambda one: insert(one, _DELETE_HOPS, list(one.execute(_IDLE_HOPS, which))))

    def _run(self, act: Callable[[Connection], _T]) -> _T:
        return with_reserve(self._engine, act)

    def _next_expired(self, accepted_before_s: float) -> tuple[list[int], int, bool]:
        """(messages whose copies may go, how many copies, was that the last slice?)."""
        rows = self._engine.read(_OLD_MESSAGES, (self._history_after, SLICE))
        expired: list[int] = []
        count = 0
        for message_id, copies, lowest_state, at_s, is_owed in rows:
            if at_s is not None and at_s >= accepted_before_s:
                self._history_after = 0
                return expired, count, True
            if expired and count + copies > COPIES_SLICE:
                return expired, count, False
            self._history_after = message_id
            if lowest_state >= FIRST_FINAL.value and not is_owed:
                expired.append(message_id)
                count += copies
        if len(rows) < SLICE:
            self._history_after = 0
            return expired, count, True
        return expired, count, False


def _delete_entries(
    connection: Connection, entries: Iterable[Entry], *, all_of_them: bool
) -> _Freed:
    """all_of_them: what shows as well as what is hidden."""
    freed = _Freed()
    hidden: dict[int, tuple[int, int]] = {}  # mailbox -> count, octets
    for mailbox_id, uid, message_id in entries:
        row = first(connection.execute(_DELETE_ENTRY, (mailbox_id, uid, int(all_of_them))))
        if row is None:
            continue
        freed.entry_count += 1
        if row[0]:
            count, octets = hidden.get(mailbox_id, (0, 0))
            hidden[mailbox_id] = (count + 1, octets + row[1])
        name = first(connection.execute(_FILE_OF, (message_id,)))
        state = (message_id, FIRST_FINAL.value)
        if first(connection.execute(_FREE_BODY, state)) is None:
            continue
        freed.message_count += 1
        if name is not None and name[0] is not None:
            freed.file_names.append(name[0])
        connection.execute(_DELETE_MESSAGE, (message_id,))
    for mailbox_id, totals in sorted(hidden.items()):
        connection.execute(_LESS_REMOVED, (*totals, mailbox_id))
    return freed


def _forget_copies(connection: Connection, message_ids: Iterable[int]) -> None:
    for message_id in message_ids:
        for statement in _OF_HISTORY:
            connection.execute(statement, (message_id,))
