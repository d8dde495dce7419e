"""Hiding entries, listing what is hidden, and putting it back.

Each change keeps the mailbox's columns true in the same transaction:
`entry_count` and `octets` of what shows, `removed_count` and `removed_octets`
of what is hidden.  The latter sums shares: a message that one transaction put
into n mailboxes counts one n-th of its octets in each, so that the sum is
what it takes on the disk once all have removed it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mailserver.store.ports.mail import Item, RemovedBy, RemovedItem, RemovedRoom
from mailserver.store.ports.writes import Removal, Removed
from mailserver.store.sql.engine import Connection, Engine, Row, first, with_reserve
from mailserver.store.sql.mail.listing import ITEM_COLUMNS, ITEM_TABLES
from mailserver.values.ids import MailboxId, Uid
from mailserver.values.unique_ids import make_nonce

SLICE = 2_000
"""Entries that one turn of the write lock hides or puts back."""
_AT_ONCE = 500

_NEXT_MODSEQ = "UPDATE mailbox SET modseq = modseq + 1 WHERE mailbox_id = ? RETURNING modseq"
_HIDE = """
    UPDATE entry SET removed_modseq = ?, removed_at_s = ?, removed_by = ?
    WHERE mailbox_id = ? AND removed_modseq IS NULL AND uid IN {uids}
    RETURNING octets, coalesce(share_octets, octets)"""
_SHRINK = """
    UPDATE mailbox SET entry_count = entry_count - ?, octets = octets - ?,
        removed_count = removed_count + ?, removed_octets = removed_octets + ?
    WHERE mailbox_id = ?"""
_SHOW = """
    UPDATE entry SET removed_modseq = NULL, removed_at_s = NULL, removed_by = NULL,
        nonce = coalesce(?, nonce)
    WHERE mailbox_id = ? AND removed_modseq IS NOT NULL AND uid IN {uids}
    RETURNING uid, octets, coalesce(share_octets, octets)"""
_GROW = """
    UPDATE mailbox SET modseq = modseq + 1, entry_count = entry_count + ?, octets = octets + ?,
        removed_count = removed_count - ?, removed_octets = removed_octets - ?
    WHERE mailbox_id = ?"""
_LIST = f"""
    SELECT {ITEM_COLUMNS}, entry.removed_at_s, entry.removed_by FROM {ITEM_TABLES}
    WHERE entry.mailbox_id = ? AND entry.removed_modseq IS NOT NULL AND +entry.removed_at_s >= ?
    ORDER BY entry.removed_at_s DESC, entry.uid DESC LIMIT ?"""
_UIDS = """
    SELECT uid FROM entry
    WHERE mailbox_id = ? AND removed_modseq IS NOT NULL AND +removed_at_s >= ? ORDER BY uid"""
_ROOM = "SELECT coalesce(sum(removed_count), 0), coalesce(sum(removed_octets), 0) FROM mailbox"


def hide(connection: Connection, removal: Removal) -> Removed:
    """One removal, in the caller's transaction."""
    modseq = first(connection.execute(_NEXT_MODSEQ, (removal.mailbox_id,)))
    if modseq is None:
        return Removed(0)
    by = None if removal.by is None else _encoded(removal.by)
    found: list[Row] = []
    for uids in _chunks(removal.uids):
        parameters = (modseq[0], removal.removed_at_s, by, removal.mailbox_id, *uids)
        found.extend(connection.execute(_HIDE.format(uids=_marks(uids)), parameters))
    octets, shares = sum(row[0] for row in found), sum(row[1] for row in found)
    totals = (len(found), octets, len(found), shares)
    connection.execute(_SHRINK, (*totals, removal.mailbox_id))
    return Removed(len(found))


class SqlRemoved:
    """The `RemovedMail` port."""

    def __init__(
        self,
        engine: Engine,
        *,
        as_item: Callable[[Row], Item],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """as_item: makes an item of a row of `ITEM_COLUMNS`."""
        self._engine = engine
        self._as_item = as_item
        self._draw = draw

    def list_removed(
        self, mailbox_id: MailboxId, *, since_s: float, limit: int
    ) -> list[RemovedItem]:
        rows = self._engine.read(_LIST, (mailbox_id, since_s, limit))
        return [
            RemovedItem(item=self._as_item(tuple(row)), removed_at_s=at_s, by=remover_of(by))
            for *row, at_s, by in rows
        ]

    def removed_uids(self, mailbox_id: MailboxId, *, since_s: float) -> list[Uid]:
        return [Uid(row[0]) for row in self._engine.read(_UIDS, (mailbox_id, since_s))]

    def restore_removed(
        self, mailbox_id: MailboxId, uids: Sequence[Uid], *, as_new: bool
    ) -> list[Uid]:
        restored: list[Uid] = []
        for start in range(0, len(uids), SLICE):
            part = uids[start : start + SLICE]
            nonce = make_nonce(self._draw) if as_new else None
            restored += with_reserve(self._engine, partial(_show, mailbox_id, part, nonce))
        return restored

    def removed_room(self) -> RemovedRoom:
        row = first(self._engine.read(_ROOM))
        return RemovedRoom(0, 0) if row is None else RemovedRoom(*row)


def _show(
    mailbox_id: MailboxId, uids: Sequence[Uid], nonce: int | None, connection: Connection
) -> list[Uid]:
    found: list[Row] = []
    for part in _chunks(uids):
        parameters = (nonce, mailbox_id, *part)
        found.extend(connection.execute(_SHOW.format(uids=_marks(part)), parameters))
    octets, shares = sum(row[1] for row in found), sum(row[2] for row in found)
    connection.execute(_GROW, (len(found), octets, len(found), shares, mailbox_id))
    return [Uid(row[0]) for row in found]


def _chunks(uids: Sequence[Uid]) -> Iterator[Sequence[Uid]]:
    return (uids[start : start + _AT_ONCE] for start in range(0, len(uids), _AT_ONCE))


def _marks(values: Sequence[Any]) -> str:
    return "(" + ",".join("?" * len(values)) + ")"


def _encoded(by: RemovedBy) -> str:
    """None of the three has a space."""
    return f"{by.door} {by.peer} {by.by_whom}"


def remover_of(text: str | None) -> RemovedBy | None:
    """Of `entry.removed_by`."""
    return None if text is None else RemovedBy(*text.split(" "))
