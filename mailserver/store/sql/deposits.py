"""What one transaction puts into mailboxes and into the queue: the rows of copies.

Shared by what is accepted and by what a list hands on.  UIDs are reserved by
one UPDATE for all mailboxes of a batch; an entry is unique per mailbox and
message, whatever addresses led there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailserver.queue.copies import CopyState
from mailserver.store.ports.errors import StoreError
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection
from mailserver.store.sql.queue.accept import NewQueue
from mailserver.store.sql.queue.rows import INSERT_ATTEMPTS
from mailserver.values.ids import MailboxId
from mailserver.values.message import NewCopy, Relay, delivered_to_line

_DEPOSITED = CopyState.DEPOSITED.value
_QUEUED = CopyState.QUEUED.value

_GROW_MAILBOXES = """
    WITH grown (mailbox_id, added_count, added_octets) AS ({rows:integer integer integer})
    UPDATE mailbox SET next_uid = next_uid + added_count,
        entry_count = entry_count + added_count, octets = octets + added_octets
    FROM grown WHERE mailbox.mailbox_id = grown.mailbox_id
    RETURNING mailbox.mailbox_id, next_uid"""
_INSERT_COPIES = """
    INSERT INTO copy (message_id, copy_no, recipient, state, mailbox_id, uid, settled_at_s, notify,
        original_recipient, sender, told_as)
    {rows:integer integer text integer integer integer real integer text text text}"""
_INSERT_ENTRIES = """
    INSERT INTO entry (mailbox_id, uid, message_id, octets, prefix, nonce, share_octets)
    {rows:integer integer integer integer blob integer integer}"""

Deposits = dict[MailboxId, tuple[int, bytes]]
"""What one message puts into each mailbox: the size of its entry, and its prefix."""


class MailboxGone(StoreError):
    """The mailbox was deleted between RCPT and the final dot."""


@dataclass(slots=True)
class Growth:
    """What one batch adds to one mailbox."""

    count: int = 0
    octets: int = 0
    next_uid: int = 0


@dataclass(slots=True)
class Rows:
    """The rows of one batch, table by table.  nonce: of its entries; see `make_nonce`."""

    nonce: int
    copies: list[Sequence[Any]] = field(default_factory=list)
    entries: list[Sequence[Any]] = field(default_factory=list)
    notes: list[Sequence[Any]] = field(default_factory=list)
    queue: NewQueue = field(default_factory=NewQueue)


def grow_mailboxes(connection: Connection, deposits: Iterable[Deposits]) -> dict[MailboxId, Growth]:
    """Reserve UIDs for the batch, by the one process whose turn it is to write.

    Where several may write, rows must be locked in the order of their ids before: this locks
    them in no stated order.
    """
    growths: dict[MailboxId, Growth] = {}
    for of_message in deposits:
        for mailbox_id, (octets, _) in of_message.items():
            growth = growths.get(mailbox_id)
            if growth is None:
                growth = growths[mailbox_id] = Growth()
            growth.count += 1
            growth.octets += octets
    wanted = [(m, growths[m].count, growths[m].octets) for m in sorted(growths)]
    for mailbox_id, next_uid in select(connection, _GROW_MAILBOXES, wanted):
        growths[mailbox_id].next_uid = next_uid - growths[mailbox_id].count
    missing = [m for m, growth in growths.items() if growth.next_uid == 0]
    if missing:
        raise MailboxGone(f"no mailbox {missing[0]}")
    return growths


def deposits_of(copies: Iterable[NewCopy], base_octets: int) -> Deposits:
    """One entry for each mailbox; the first recipient that leads there names it.

    base_octets: of return path, head and body, the same for all.
    """
    deposits: Deposits = {}
    for copy in copies:
        if isinstance(copy.route, Relay):
            continue
        mailbox_id = copy.route.mailbox_id
        if mailbox_id not in deposits:
            prefix = delivered_to_line(copy.recipient)
            deposits[mailbox_id] = (base_octets + len(prefix), prefix)
    return deposits


def add_entries(
    rows: Rows, message_id: int, deposits: Deposits, growths: dict[MailboxId, Growth]
) -> dict[MailboxId, int]:
    """Give each entry the next UID of its mailbox; returns them by mailbox."""
    uids: dict[MailboxId, int] = {}
    count, nonce = len(deposits), rows.nonce
    for mailbox_id, (octets, prefix) in deposits.items():
        growth = growths[mailbox_id]
        uid = uids[mailbox_id] = growth.next_uid
        growth.next_uid += 1
        share = None if count == 1 else octets // count
        rows.entries.append((mailbox_id, uid, message_id, octets, prefix, nonce, share))
    return uids


def add_copies(
    rows: Rows,
    message_id: int,
    copies: Iterable[NewCopy],
    uids: dict[MailboxId, int],
    *,
    at_s: float,
    first_no: int = 0,
) -> None:
    """One copy for each recipient: for a mailbox of ours final already, else queued."""
    for copy_no, copy in enumerate(copies, first_no):
        route = copy.route
        original = copy.original_recipient or None
        said = (copy.notify or None, original, copy.sender, copy.told_as or None)
        if isinstance(route, Relay):
            place: Sequence[Any] = (_QUEUED, None, None, None)
            rows.queue.add(message_id, copy_no, route, at_s)
        else:
            place = (_DEPOSITED, route.mailbox_id, uids[route.mailbox_id], at_s)
            rows.queue.add_owed(message_id, copy_no, copy, at_s)
        rows.copies.append((message_id, copy_no, copy.recipient, *place, *said))
        if copy.note:
            nobody = ("", "", "", "")  # no host, no address, no TLS, no status
            rows.notes.append((message_id, copy_no, 1, at_s, _QUEUED, *nobody, copy.note, None))


def write_deposits(connection: Connection, rows: Rows) -> None:
    """In the transaction that reserved the UIDs."""
    insert(connection, _INSERT_COPIES, rows.copies, largest=128)
    insert(connection, _INSERT_ENTRIES, rows.entries, largest=128)
    insert(connection, INSERT_ATTEMPTS, rows.notes)
    if rows.queue.has_work:
        rows.queue.write(connection)
