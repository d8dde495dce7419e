"""Every durable write: accepting, removing, leasing, settling; the transactions behind 250 and +OK.

A batch costs a constant number of statements, each of many rows, because each
statement is one trip out of Python and one fight for the interpreter lock.
Numbers of messages are taken from a counter and are never used again.

    counter += n; mailbox: next_uid, entry_count, octets += ... (one UPDATE);
    message, copy, entry (one INSERT of many rows each);
    destination, queue, owed_report where something is queued or owed; COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mailserver.queue.copies import CopyState
from mailserver.store.ports import (
    Accepted,
    Failed,
    Outcome,
    Removal,
    Removed,
    StoreBroken,
    StoreError,
    StoreUnavailable,
    Write,
)
from mailserver.store.queueing import HopNote, Lease, ReportMade, Settled, Settlement
from mailserver.store.sql import queue_lease, queue_reports, queue_settle
from mailserver.store.sql.bulk import chunks, insert
from mailserver.store.sql.engine import Connection, Engine, first
from mailserver.store.sql.flags import ENDS_WITH_CRLF, HAS_NUL, IS_8BIT, SMTPUTF8
from mailserver.store.sql.queue_accept import NewQueue
from mailserver.values.ids import AcceptId, MailboxId, MessageId
from mailserver.values.message import Acceptance, InlineBody, Relay, delivered_to_line

_DEPOSITED = CopyState.DEPOSITED.value
_QUEUED = CopyState.QUEUED.value

RECENT_MESSAGES = 10_000
"""How far back an accept is looked for: far more than are in flight at once."""
REMOVAL_SLICE = 2_000
"""Entries removed per turn of the write lock, so that no QUIT holds it for long."""

_NEXT_MESSAGES = "UPDATE counter SET value = value + ? WHERE name = 'message' RETURNING value"
_GROW_MAILBOXES = """
    WITH grown (mailbox_id, added_count, added_octets) AS (VALUES {rows})
    UPDATE mailbox SET next_uid = next_uid + added_count,
        entry_count = entry_count + added_count, octets = octets + added_octets
    FROM grown WHERE mailbox.mailbox_id = grown.mailbox_id
    RETURNING mailbox_id, next_uid"""
_INSERT_MESSAGES = """
    INSERT INTO message (message_id, accept_id, accepted_at_s, account_id, reverse_path, door,
        peer, flags, envelope_id, return_content, header_octets, longest_line_octets,
        dotted_line_count, body_octets, file_name, return_path, head, body) VALUES {rows}"""
_INSERT_COPIES = """
    INSERT INTO copy (message_id, copy_no, recipient, state, mailbox_id, uid, settled_at_s, notify,
        original_recipient)
    VALUES {rows}"""
_INSERT_ENTRIES = """
    INSERT INTO entry (mailbox_id, uid, message_id, octets, prefix) VALUES {rows}"""
_NEXT_MODSEQ = "UPDATE mailbox SET modseq = modseq + 1 WHERE mailbox_id = ? RETURNING modseq"
_HIDE_ENTRIES = """
    UPDATE entry SET removed_modseq = ?, removed_at_s = ?
    WHERE mailbox_id = ? AND removed_modseq IS NULL AND uid IN {rows} RETURNING octets"""
_SHRINK_MAILBOX = """
    UPDATE mailbox SET entry_count = entry_count - ?, octets = octets - ? WHERE mailbox_id = ?"""
_RECENT_ACCEPT = """
    SELECT message_id FROM message
    WHERE message_id > (SELECT value FROM counter WHERE name = 'message') - ? AND accept_id = ?"""


_Deposits = dict[MailboxId, tuple[int, bytes]]
"""What one message puts into each mailbox: the size of its entry, and its prefix."""


class MailboxGone(StoreError):
    """The mailbox was deleted between RCPT and the final dot."""


@dataclass(slots=True)
class _Growth:
    """What one batch adds to one mailbox."""

    count: int = 0
    octets: int = 0
    next_uid: int = 0


@dataclass(slots=True)
class _Rows:
    """The rows of one batch, table by table; mailbox growth by mailbox."""

    messages: list[Sequence[Any]] = field(default_factory=list)
    copies: list[Sequence[Any]] = field(default_factory=list)
    entries: list[Sequence[Any]] = field(default_factory=list)
    queue: NewQueue = field(default_factory=NewQueue)


class SqlWrites:
    """The `Writes` port over an `Engine`."""

    def __init__(self, engine: Engine, *, wake: Callable[[], None]) -> None:
        """
        wake: called after a commit that queued something, or that owes a report.
        """
        self._engine = engine
        self._wake = wake

    def apply(self, batch: Sequence[Write]) -> list[Outcome]:
        return self.apply_waiting(lambda: batch)

    def apply_waiting(self, take: Callable[[], Sequence[Write]]) -> list[Outcome]:
        with self._engine.write_turn():
            batch = take()
            if not any(_is_long(write) for write in batch):
                return self._commit_or_retry(batch)
        return self._apply_long(batch)

    def find_accepted(self, accept_id: AcceptId) -> MessageId | None:
        row = first(self._engine.read(_RECENT_ACCEPT, (RECENT_MESSAGES, accept_id)))
        return None if row is None else MessageId(row[0])

    def _commit_or_retry(self, batch: Sequence[Write]) -> list[Outcome]:
        """One transaction for all; if that fails, one for each, so that a bad one fails alone."""
        try:
            return self._commit(batch)
        except StoreBroken as error:
            return [Failed(error)] * len(batch)
        except Exception as error:  # noqa: BLE001 - it goes on, as Failed, to the log
            # Whatever it was, nothing of the batch is in the store, and each is answered as ours.
            if len(batch) == 1:
                return [Failed(error)]
        # A disk that breaks on the way leaves those before it accepted: each has its own outcome.
        return [self._commit_or_retry([write])[0] for write in batch]

    def _apply_long(self, batch: Sequence[Write]) -> list[Outcome]:
        """Some QUIT removes very many: the others in one turn, the long ones a slice a turn."""
        outcomes: dict[int, Outcome] = {}
        short = [(i, write) for i, write in enumerate(batch) if not _is_long(write)]
        if short:
            results = self.apply([write for _, write in short])
            outcomes.update(zip((i for i, _ in short), results, strict=True))
        for i, write in enumerate(batch):
            if isinstance(write, Removal) and _is_long(write):
                outcomes[i] = self._remove_in_slices(write)
        return [outcomes[i] for i in range(len(batch))]

    def _remove_in_slices(self, removal: Removal) -> Outcome:
        count = 0
        for start in range(0, len(removal.uids), REMOVAL_SLICE):
            part = Removal(
                mailbox_id=removal.mailbox_id,
                uids=removal.uids[start : start + REMOVAL_SLICE],
                removed_at_s=removal.removed_at_s,
            )
            outcome = self.apply([part])[0]
            if not isinstance(outcome, Removed):
                return outcome
            count += outcome.count
        return Removed(count)

    def _commit(self, batch: Sequence[Write]) -> list[Outcome]:
        if not batch:
            return []
        with self._engine.transaction() as connection:
            outcomes, has_work = _write_all(connection, batch)
        if has_work:
            self._wake()
        return outcomes


_W = TypeVar("_W", bound=Write)


def _write_all(connection: Connection, batch: Sequence[Write]) -> tuple[list[Outcome], bool]:
    """One transaction's writes; (outcomes in the order of the batch, is there work for agents?).

    Acceptances go together, and so do settlements: their statements do not grow with their number.
    """
    cleared = {i: queue_reports.clear(connection, write) for i, write in _only(ReportMade, batch)}
    acceptances = [
        (i, acceptance)
        for i, write in enumerate(batch)
        if (acceptance := _acceptance_of(write, cleared.get(i))) is not None
    ]
    outcomes: dict[int, Outcome] = dict(cleared)
    has_work = False
    if acceptances:
        accepted, has_work = _accept(connection, [acceptance for _, acceptance in acceptances])
        outcomes.update(zip((i for i, _ in acceptances), accepted, strict=True))
    settlements = list(_only(Settlement, batch))
    if settlements:
        settled = queue_settle.settle(connection, [settlement for _, settlement in settlements])
        outcomes.update(zip((i for i, _ in settlements), settled, strict=True))
        has_work = has_work or any(_concerns_agents(one) for _, one in settlements)
    for i, write in enumerate(batch):
        if isinstance(write, Removal | Lease | HopNote):
            outcomes[i] = _write_one(connection, write)
    return [outcomes[i] for i in range(len(batch))], has_work


def _write_one(connection: Connection, write: Removal | Lease | HopNote) -> Outcome:
    match write:
        case Removal():
            return _remove(connection, write)
        case Lease():
            return queue_lease.lease(connection, write)
        case HopNote():
            return queue_settle.note_hop(connection, write)


def _only(kind: type[_W], batch: Sequence[Write]) -> Iterator[tuple[int, _W]]:
    return ((i, write) for i, write in enumerate(batch) if isinstance(write, kind))


def _acceptance_of(write: Write, cleared: Settled | None) -> Acceptance | None:
    """What this write accepts: a report too, unless somebody else made it."""
    if isinstance(write, ReportMade):
        return None if cleared is None or cleared.lost else write.acceptance
    return write if isinstance(write, Acceptance) else None


def _concerns_agents(settlement: Settlement) -> bool:
    """Somebody else than an agent queued something, or a report is owed."""
    return settlement.agent_id is None or any(o.owes is not None for o in settlement.outcomes)


def _is_long(write: Write) -> bool:
    return isinstance(write, Removal) and len(write.uids) > REMOVAL_SLICE


def _accept(
    connection: Connection, acceptances: Sequence[Acceptance]
) -> tuple[list[Accepted], bool]:
    """(one for each, was anything queued or is a report owed?)."""
    last = first(connection.execute(_NEXT_MESSAGES, (len(acceptances),)))
    if last is None:
        raise StoreUnavailable("the counter of messages is missing")
    next_id = last[0] - len(acceptances) + 1
    deposits = [_deposits(acceptance) for acceptance in acceptances]
    growths = _grow_mailboxes(connection, deposits)
    rows = _Rows()
    for i, acceptance in enumerate(acceptances):
        rows.messages.append(_message_row(next_id + i, acceptance))
        uids = _add_entries(rows, next_id + i, deposits[i], growths)
        _add_copies(rows, next_id + i, acceptance, uids)
    insert(connection, _INSERT_MESSAGES, rows.messages, largest=32)
    insert(connection, _INSERT_COPIES, rows.copies, largest=128)
    insert(connection, _INSERT_ENTRIES, rows.entries, largest=128)
    if rows.queue.has_work:
        rows.queue.write(connection)
    accepted = [Accepted(MessageId(next_id + i)) for i in range(len(acceptances))]
    return accepted, rows.queue.has_work


def _grow_mailboxes(
    connection: Connection, deposits: Iterable[_Deposits]
) -> dict[MailboxId, _Growth]:
    """Reserve UIDs for the batch; rows in id order, so that engines with row locks never cross."""
    growths: dict[MailboxId, _Growth] = {}
    for of_message in deposits:
        for mailbox_id, (octets, _) in of_message.items():
            growth = growths.get(mailbox_id)
            if growth is None:
                growth = growths[mailbox_id] = _Growth()
            growth.count += 1
            growth.octets += octets
    wanted = [(m, growths[m].count, growths[m].octets) for m in sorted(growths)]
    for statement, chunk in chunks(_GROW_MAILBOXES, wanted, largest=128):
        for mailbox_id, next_uid in connection.execute(statement, chunk):
            growths[mailbox_id].next_uid = next_uid - growths[mailbox_id].count
    missing = [m for m, growth in growths.items() if growth.next_uid == 0]
    if missing:
        raise MailboxGone(f"no mailbox {missing[0]}")
    return growths


def _deposits(acceptance: Acceptance) -> _Deposits:
    """One entry for each mailbox; the first recipient that leads there names it."""
    base = len(acceptance.return_path) + len(acceptance.head) + acceptance.body.size_octets
    deposits: _Deposits = {}
    for copy in acceptance.copies:
        if isinstance(copy.route, Relay):
            continue
        mailbox_id = copy.route.mailbox_id
        if mailbox_id not in deposits:
            prefix = delivered_to_line(copy.recipient)
            deposits[mailbox_id] = (base + len(prefix), prefix)
    return deposits


def _message_row(message_id: int, acceptance: Acceptance) -> Sequence[Any]:
    body, facts = acceptance.body, acceptance.facts
    flags = (
        ENDS_WITH_CRLF * facts.ends_with_crlf
        | IS_8BIT * facts.is_8bit
        | HAS_NUL * facts.has_nul
        | SMTPUTF8 * acceptance.smtputf8
    )
    return (
        message_id,
        acceptance.accept_id,
        acceptance.accepted_at_s,
        acceptance.account_id,
        acceptance.reverse_path,
        acceptance.door,
        acceptance.peer,
        flags,
        acceptance.envelope_id,
        acceptance.return_content,
        facts.header_octets,
        facts.longest_line_octets,
        facts.dotted_line_count,
        body.size_octets,
        None if isinstance(body, InlineBody) else body.name,
        acceptance.return_path,
        acceptance.head,
        body.octets if isinstance(body, InlineBody) else None,
    )


def _add_entries(
    rows: _Rows, message_id: int, deposits: _Deposits, growths: dict[MailboxId, _Growth]
) -> dict[MailboxId, int]:
    """Give each entry the next UID of its mailbox; returns them by mailbox."""
    uids: dict[MailboxId, int] = {}
    for mailbox_id, (octets, prefix) in deposits.items():
        growth = growths[mailbox_id]
        uid = uids[mailbox_id] = growth.next_uid
        growth.next_uid += 1
        rows.entries.append((mailbox_id, uid, message_id, octets, prefix))
    return uids


def _add_copies(
    rows: _Rows, message_id: int, acceptance: Acceptance, uids: dict[MailboxId, int]
) -> None:
    """One copy for each recipient: for a mailbox of ours final already, else queued."""
    at_s = acceptance.accepted_at_s
    for copy_no, copy in enumerate(acceptance.copies):
        route = copy.route
        said = (copy.notify or None, copy.original_recipient or None)
        if isinstance(route, Relay):
            place: Sequence[Any] = (_QUEUED, None, None, None)
            rows.queue.add(message_id, copy_no, route, at_s)
        else:
            place = (_DEPOSITED, route.mailbox_id, uids[route.mailbox_id], at_s)
            rows.queue.add_owed(message_id, copy_no, copy, at_s)
        rows.copies.append((message_id, copy_no, copy.recipient, *place, *said))


def _remove(connection: Connection, removal: Removal) -> Removed:
    modseq = first(connection.execute(_NEXT_MODSEQ, (removal.mailbox_id,)))
    if modseq is None:
        return Removed(0)
    sizes: list[int] = []
    for start in range(0, len(removal.uids), 500):
        uids = removal.uids[start : start + 500]
        marks = "(" + ",".join("?" * len(uids)) + ")"
        parameters = (modseq[0], removal.removed_at_s, removal.mailbox_id, *uids)
        statement = _HIDE_ENTRIES.format(rows=marks)
        sizes.extend(row[0] for row in connection.execute(statement, parameters))
    connection.execute(_SHRINK_MAILBOX, (len(sizes), sum(sizes), removal.mailbox_id))
    return Removed(len(sizes))
