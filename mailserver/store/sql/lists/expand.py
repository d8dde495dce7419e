"""The writes of expansion: begin a post, add a slice of copies, hold a post.

Each is one transaction of `SqlWrites`; nothing here reads members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mailserver.store.ports.lists import START, AddCopies, BeginPost, HoldPost
from mailserver.store.ports.queue import CopyRef, Settled
from mailserver.store.ports.writes import Accepted
from mailserver.store.sql.bulk import select
from mailserver.store.sql.deposits import (
    Rows,
    add_copies,
    add_entries,
    deposits_of,
    grow_mailboxes,
    write_deposits,
)
from mailserver.store.sql.engine import Connection, first
from mailserver.values.ids import MailboxId, MessageId
from mailserver.values.message import Acceptance

_DERIVED = "SELECT derived_id FROM list_post WHERE message_id = ? AND copy_no = ?"
_BEGIN = """
    INSERT INTO list_post (message_id, copy_no, derived_id, stage, after_id, copy_count)
    VALUES (?, ?, ?, ?, ?, 0)"""
_SEE = """
    INSERT INTO list_seen (digest, at_s) VALUES (?, ?)
    ON CONFLICT (digest) DO UPDATE SET at_s = excluded.at_s"""
_ADVANCE = """
    UPDATE list_post SET stage = ?, after_id = ?, copy_count = copy_count + ?,
        reader_count = reader_count + ?
    WHERE message_id = ? AND copy_no = ? AND stage = ? AND after_id = ?
    RETURNING derived_id, copy_count"""
_BASE = """
    SELECT length(return_path) + length(head) + body_octets FROM message WHERE message_id = ?"""
_THERE = """
    WITH wanted (message_id, mailbox_id) AS ({rows:integer integer})
    SELECT entry.mailbox_id, uid FROM wanted JOIN entry
        ON entry.message_id = wanted.message_id AND entry.mailbox_id = wanted.mailbox_id"""
_HOLD = """
    INSERT INTO list_held (message_id, copy_no, list_id, token, held_at_s, verdict, by_whom)
    VALUES (?, ?, ?, ?, ?, '', '') ON CONFLICT (message_id, copy_no) DO NOTHING
    RETURNING message_id"""

Accept = Callable[[Connection, Sequence[Acceptance]], tuple[list[Accepted], bool]]


def begin_post(connection: Connection, write: BeginPost, accept: Accept) -> Accepted:
    """The same answer, whoever begins it again."""
    key = (write.source.message_id, write.source.copy_no)
    known = first(connection.execute(_DERIVED, key))
    if known is not None:
        return Accepted(MessageId(known[0]))
    (accepted,), _ = accept(connection, (write.acceptance,))
    connection.execute(_BEGIN, (*key, accepted.message_id, START.stage.value, START.after_id))
    for digest in write.seen:
        connection.execute(_SEE, (digest, write.acceptance.accepted_at_s))
    return accepted


def add_slice(connection: Connection, write: AddCopies, *, nonce: int) -> tuple[Settled, bool]:
    """(what came of it, was anything queued?)."""
    key = (write.source.message_id, write.source.copy_no)
    was, now, count = write.was, write.now, len(write.copies)
    grown = (now.stage.value, now.after_id, count, write.reader_count)
    place = (*grown, *key, was.stage.value, was.after_id)
    advanced = first(connection.execute(_ADVANCE, place))
    if advanced is None:
        return Settled((write.source,)), False
    derived_id, copy_count = advanced
    base = first(connection.execute(_BASE, (derived_id,)))
    deposits = deposits_of(write.copies, 0 if base is None else base[0])
    there = _uids_there(connection, derived_id, deposits)
    for mailbox_id in there:
        del deposits[mailbox_id]
    growths = grow_mailboxes(connection, [deposits])
    rows = Rows(nonce)
    uids = there | add_entries(rows, derived_id, deposits, growths)
    first_no = copy_count - count
    add_copies(rows, derived_id, write.copies, uids, at_s=write.at_s, first_no=first_no)
    write_deposits(connection, rows)
    return Settled(), rows.queue.has_work


def _uids_there(
    connection: Connection, message_id: int, deposits: Iterable[MailboxId]
) -> dict[MailboxId, int]:
    """Mailboxes that have it from an earlier slice: two members may lead to one mailbox."""
    wanted = [(message_id, mailbox_id) for mailbox_id in deposits]
    return dict(select(connection, _THERE, wanted))


def hold_post(connection: Connection, write: HoldPost, accept: Accept) -> tuple[Settled, bool]:
    """(what came of it, was anything queued?)."""
    source: CopyRef = write.source
    values = (source.message_id, source.copy_no, write.list_id, write.token, write.at_s)
    if first(connection.execute(_HOLD, values)) is None:
        return Settled((source,)), False
    has_work = accept(connection, write.notes)[1] if write.notes else False
    return Settled(), has_work
