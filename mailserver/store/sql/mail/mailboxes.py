"""Reading a maildrop: its totals, its listing, one message.

The totals are columns of the mailbox, so a maildrop opens in constant time.
Its set is fixed by two numbers (`next_uid`, `modseq`) and not by a copy: a
removed entry keeps its row until the reclaimer takes it, and the reclaimer
leaves alone a mailbox that a session has locked.
"""

from __future__ import annotations

from array import array
from itertools import chain

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.mail import Listing, Maildrop, StoredMessage
from mailserver.store.sql.engine import Engine, first
from mailserver.store.sql.mail.bodies import OpenBody
from mailserver.store.sql.mail.flags import ENDS_WITH_CRLF
from mailserver.values.ids import MailboxId, Uid

_OPEN = """
    SELECT entry_count, octets, next_uid, modseq, epoch FROM mailbox WHERE mailbox_id = ?"""
_LIST = """
    SELECT uid, octets, nonce FROM entry
    WHERE mailbox_id = ? AND uid < ? AND (removed_modseq IS NULL OR removed_modseq > ?)
    ORDER BY uid"""
_FETCH = """
    SELECT entry.prefix, message.return_path, message.head, message.body, message.file_name,
        message.message_id, message.body_octets, message.dotted_line_count, message.flags
    FROM entry JOIN message ON message.message_id = entry.message_id
    WHERE entry.mailbox_id = ? AND entry.uid = ?"""


class SqlMailboxes:
    """The reading half of the `Mailboxes` port."""

    def __init__(self, engine: Engine, open_body: OpenBody) -> None:
        self._engine = engine
        self._open_body = open_body

    def open_maildrop(self, mailbox_id: MailboxId) -> Maildrop:
        row = first(self._engine.read(_OPEN, (mailbox_id,)))
        if row is None:
            raise StoreUnavailable(f"no mailbox {mailbox_id}")
        count, octets, next_uid, modseq, epoch = row
        return Maildrop(
            mailbox_id=mailbox_id,
            count=count,
            octets=octets,
            next_uid=next_uid,
            modseq=modseq,
            epoch=epoch,
        )

    def list_maildrop(self, maildrop: Maildrop) -> Listing:
        bounds = (maildrop.mailbox_id, maildrop.next_uid, maildrop.modseq)
        flat = array("Q", chain.from_iterable(self._engine.read(_LIST, bounds)))
        listing = Listing(uids=flat[0::3], sizes_octets=flat[1::3], nonces=flat[2::3])
        if len(listing) != maildrop.count:
            raise StoreUnavailable(
                f"mailbox {maildrop.mailbox_id} counts {maildrop.count} entries,"
                f" lists {len(listing)}"
            )
        return listing

    def fetch(self, mailbox_id: MailboxId, uid: Uid) -> StoredMessage | None:
        row = first(self._engine.read(_FETCH, (mailbox_id, uid)))
        if row is None:
            return None
        prefix, return_path, head, body, file_name, message_id, body_octets, dotted, flags = row
        reader = None if file_name is None else self._open_body(message_id, file_name, body_octets)
        if body is None and reader is None:
            return None
        return StoredMessage(
            lead=return_path + prefix + head,
            octets=body,
            reader=reader,
            body_octets=body_octets,
            dotted_line_count=dotted,
            ends_with_crlf=bool(flags & ENDS_WITH_CRLF),
        )
