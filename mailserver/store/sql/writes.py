"""Every durable write: accepting, removing, leasing, settling; the transactions behind 250 and +OK.

A batch costs a constant number of statements, each of many rows, because each
statement is one trip out of Python and one fight for the interpreter lock.
Numbers of messages are taken from a counter and are never used again.

    counter += n; mailbox: next_uid, entry_count, octets += ... (one UPDATE);
    message, copy, entry (one INSERT of many rows each);
    destination, queue, owed_report where something is queued or owed; COMMIT.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from mailserver.store.ports.errors import StoreBroken, StoreFull, StoreUnavailable
from mailserver.store.ports.lists import AddCopies, BeginPost, HoldPost
from mailserver.store.ports.queue import HopNote, Lease, ReportMade, Settled, Settlement
from mailserver.store.ports.writes import Accepted, Failed, Outcome, Removal, Removed, Write
from mailserver.store.sql.bulk import insert
from mailserver.store.sql.deposits import (
    Rows,
    add_copies,
    add_entries,
    deposits_of,
    grow_mailboxes,
    write_deposits,
)
from mailserver.store.sql.engine import Connection, Engine, first
from mailserver.store.sql.lists import expand as lists_expand
from mailserver.store.sql.mail import removed
from mailserver.store.sql.mail.flags import (
    ENDS_WITH_CRLF,
    HAS_NUL,
    IS_8BIT,
    IS_SIGNED_BY_US,
    IS_UNVOUCHED,
    SMTPUTF8,
)
from mailserver.store.sql.queue import lease as queue_lease
from mailserver.store.sql.queue import reports as queue_reports
from mailserver.store.sql.queue import settle as queue_settle
from mailserver.values.ids import AcceptId, MessageId
from mailserver.values.message import Acceptance, InlineBody
from mailserver.values.unique_ids import make_nonce

RECENT_MESSAGES = 10_000
"""How far back an accept is looked for: far more than are in flight at once."""

_NEXT_MESSAGES = "UPDATE counter SET value = value + ? WHERE name = 'message' RETURNING value"
_INSERT_MESSAGES = """
    INSERT INTO message (message_id, accept_id, accepted_at_s, account_id, reverse_path, door,
        peer, flags, envelope_id, return_content, header_octets, longest_line_octets,
        dotted_line_count, body_octets, file_name, return_path, head, body, by_account_id)
    {rows:integer blob real integer text text text integer text text integer integer integer
        integer text blob blob blob integer}"""
_RECENT_ACCEPT = """
    SELECT message_id FROM message
    WHERE message_id > (SELECT value FROM counter WHERE name = 'message') - ? AND accept_id = ?"""


class SqlWrites:
    """The `Writes` port over an `Engine`."""

    def __init__(
        self,
        engine: Engine,
        *,
        wake: Callable[[], None],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        wake: called after a commit that queued something, or that owes a report.
        draw: so many random octets, asked of the system each time: what was drawn in advance
            would come twice from a machine that is resumed from a snapshot.
        """
        self._engine = engine
        self._wake = wake
        self._draw = draw

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
                return [self._with_reserve(batch[0], error)]
        # A disk that breaks on the way leaves those before it accepted: each has its own outcome.
        return [self._commit_or_retry([write])[0] for write in batch]

    def _with_reserve(self, write: Write, error: Exception) -> Outcome:
        """Once more on a full disk: for what frees room or sends mail away, and what happened."""
        if not isinstance(error, StoreFull) or not isinstance(write, Removal | Lease | Settlement):
            return Failed(error)
        try:
            self._engine.make_room()
            return self._commit([write])[0]
        except Exception as again:  # noqa: BLE001 - it goes on, as Failed, to the log
            return Failed(again)

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
        for start in range(0, len(removal.uids), removed.SLICE):
            part = Removal(
                mailbox_id=removal.mailbox_id,
                uids=removal.uids[start : start + removed.SLICE],
                removed_at_s=removal.removed_at_s,
                by=removal.by,
            )
            outcome = self.apply([part])[0]
            if not isinstance(outcome, Removed):
                return outcome
            count += outcome.count
        return Removed(count)

    def _commit(self, batch: Sequence[Write]) -> list[Outcome]:
        if not batch:
            return []
        if any(isinstance(write, _MAIL) for write in batch) and not self._engine.has_room():
            raise StoreFull("no room for new mail")
        with self._engine.transaction() as connection:
            outcomes, has_work = _write_all(connection, batch, make_nonce(self._draw))
        if has_work:
            self._wake()
        return outcomes


_W = TypeVar("_W", bound=Write)
_MAIL = Acceptance | ReportMade | BeginPost | AddCopies | HoldPost
_Single = Removal | Lease | HopNote | BeginPost | AddCopies | HoldPost


def _write_all(
    connection: Connection, batch: Sequence[Write], nonce: int
) -> tuple[list[Outcome], bool]:
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
        wanted = [acceptance for _, acceptance in acceptances]
        accepted, has_work = _accept(connection, wanted, nonce=nonce)
        outcomes.update(zip((i for i, _ in acceptances), accepted, strict=True))
    settlements = list(_only(Settlement, batch))
    if settlements:
        settled = queue_settle.settle(connection, [settlement for _, settlement in settlements])
        outcomes.update(zip((i for i, _ in settlements), settled, strict=True))
        has_work = has_work or any(_concerns_agents(one) for _, one in settlements)
    for i, write in enumerate(batch):
        if isinstance(write, _Single):
            outcomes[i], has_more = _write_one(connection, write, nonce)
            has_work = has_work or has_more
    return [outcomes[i] for i in range(len(batch))], has_work


def _write_one(connection: Connection, write: _Single, nonce: int) -> tuple[Outcome, bool]:
    """(its outcome, is there work for agents?)."""
    match write:
        case Removal():
            return removed.hide(connection, write), False
        case Lease():
            return queue_lease.lease(connection, write), False
        case HopNote():
            return queue_settle.note_hop(connection, write), False
        case BeginPost():
            return lists_expand.begin_post(connection, write, partial(_accept, nonce=nonce)), False
        case AddCopies():
            return lists_expand.add_slice(connection, write, nonce=nonce)
        case HoldPost():
            return lists_expand.hold_post(connection, write, partial(_accept, nonce=nonce))


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
    return isinstance(write, Removal) and len(write.uids) > removed.SLICE


def _accept(
    connection: Connection, acceptances: Sequence[Acceptance], *, nonce: int
) -> tuple[list[Accepted], bool]:
    """(one for each, was anything queued or is a report owed?)."""
    last = first(connection.execute(_NEXT_MESSAGES, (len(acceptances),)))
    if last is None:
        raise StoreUnavailable("the counter of messages is missing")
    next_id = last[0] - len(acceptances) + 1
    deposits = [deposits_of(one.copies, one.base_octets) for one in acceptances]
    growths = grow_mailboxes(connection, deposits)
    rows, messages = Rows(nonce), []
    for i, acceptance in enumerate(acceptances):
        messages.append(_message_row(next_id + i, acceptance))
        uids = add_entries(rows, next_id + i, deposits[i], growths)
        at_s = acceptance.accepted_at_s
        add_copies(rows, next_id + i, acceptance.copies, uids, at_s=at_s)
    insert(connection, _INSERT_MESSAGES, messages, largest=32)
    write_deposits(connection, rows)
    accepted = [Accepted(MessageId(next_id + i)) for i in range(len(acceptances))]
    return accepted, rows.queue.has_work


def _message_row(message_id: int, acceptance: Acceptance) -> Sequence[Any]:
    body, facts = acceptance.body, acceptance.facts
    flags = (
        ENDS_WITH_CRLF * facts.ends_with_crlf
        | IS_8BIT * facts.is_8bit
        | HAS_NUL * facts.has_nul
        | SMTPUTF8 * acceptance.smtputf8
        | IS_UNVOUCHED * facts.is_unvouched
        | IS_SIGNED_BY_US * facts.is_signed_by_us
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
        acceptance.by_account,
    )
