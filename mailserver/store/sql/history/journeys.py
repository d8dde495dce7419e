"""Reading the journey of one message: what was promised, and what became of each copy.

A few short reads, so a copy may be newer than its message's line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.history import (
    Collection,
    CopyStep,
    Journey,
    PastAttempt,
    Sightings,
    Waiting,
)
from mailserver.store.ports.queue import Attempt, Lane
from mailserver.store.sql.engine import Engine, Row, first
from mailserver.store.sql.history import fingerprints
from mailserver.store.sql.history.tracing import HEADER_BLOCK, SqlTracing
from mailserver.store.sql.mail.removed import remover_of
from mailserver.values.ids import AcceptId, MailboxId, MessageId, Uid
from mailserver.values.text.header_text import decode_octets

_MESSAGE = f"""
    SELECT message_id, accept_id, accepted_at_s, account.identifier, holder.identifier,
        reverse_path, door, peer, head, body_octets, file_name, header_octets,
        {HEADER_BLOCK}
    FROM message LEFT JOIN account ON account.account_id = message.account_id
        LEFT JOIN account AS holder ON holder.account_id = message.by_account_id
    WHERE message_id = ?"""
_COPIES = """
    SELECT copy.copy_no, copy.recipient, copy.state, copy.mailbox_id, copy.uid,
        copy.settled_at_s, account.identifier, mailbox.name, entry.removed_at_s,
        entry.removed_by
    FROM copy
        LEFT JOIN mailbox ON mailbox.mailbox_id = copy.mailbox_id
        LEFT JOIN account ON account.account_id = mailbox.account_id
        LEFT JOIN entry ON entry.mailbox_id = copy.mailbox_id AND entry.uid = copy.uid
    WHERE copy.message_id = ? ORDER BY copy.copy_no"""
_WAITING = """
    SELECT copy_no, lane, next_hop, due_at_s, attempt_count,
        CASE WHEN reason IS NULL AND lane = 3 THEN (SELECT words FROM attempt
            WHERE attempt.message_id = queue.message_id AND attempt.copy_no = queue.copy_no
            ORDER BY number DESC LIMIT 1) ELSE reason END,
        not_before_s, last_error, suspended_until_s
    FROM queue JOIN destination ON destination.destination_id = queue.destination_id
    WHERE message_id = ?"""
# What was relayed is not tried again, so a line of many copies is the last of each.
_ATTEMPTS = """
    SELECT copy_no, coalesce(last_no, copy_no), outcome, at_s, host, address, tls, status, words
    FROM attempt WHERE message_id = ? ORDER BY last_no IS NOT NULL, copy_no, number"""
_OWED = "SELECT copy_no, kind FROM owed_report WHERE message_id = ? ORDER BY copy_no, kind"

Collected = Callable[[MailboxId, Uid], tuple[Collection, ...]]


class SqlJourneys:
    """The `Journeys` port."""

    def __init__(self, engine: Engine, tracing: SqlTracing, *, collected: Collected) -> None:
        self._engine = engine
        self._tracing = tracing
        self._collected = collected

    def journey(self, accept_id: AcceptId) -> Journey | None:
        found = self._find(fingerprints.of_accept_id(accept_id), limit=1).journeys
        return next((one for one in found if one.accept_id == accept_id), None)

    def journeys_of(self, address: str, *, limit: int) -> Sightings:
        return self._find(fingerprints.of_address(address), limit=limit)

    def journeys_named(self, header_id: str, *, limit: int) -> Sightings:
        bare = fingerprints.bare_id(header_id.encode("utf-8", "surrogateescape"))
        return self._find(fingerprints.of_header_id(bare), limit=limit)

    def _find(self, digest: int, *, limit: int) -> Sightings:
        message_ids, unsearched_count = self._tracing.search(digest, limit=limit)
        read = (self._read(message_id) for message_id in message_ids)
        return Sightings(
            journeys=tuple(one for one in read if one is not None and one.copies),
            unsearched_count=unsearched_count,
        )

    def _read(self, message_id: MessageId) -> Journey | None:
        row = first(self._engine.read(_MESSAGE, (message_id,)))
        if row is None:
            return None
        _, accept_id, accepted_at_s, submitter, holder, reverse_path, door, peer = row[:8]
        head, octets, *rest = row[8:]
        return Journey(
            message_id=message_id,
            accept_id=accept_id,
            accepted_at_s=accepted_at_s,
            submitter=submitter,
            holder=holder,
            reverse_path=reverse_path,
            door=door,
            peer=peer,
            head=head,
            body_octets=octets,
            header_id=decode_octets(self._tracing.header_id(message_id, (head, *rest))),
            copies=self._copies(message_id),
        )

    def _copies(self, message_id: MessageId) -> tuple[CopyStep, ...]:
        key = (message_id,)
        waiting = {row[0]: _waiting(row) for row in self._engine.read(_WAITING, key)}
        attempts: defaultdict[int, list[PastAttempt]] = defaultdict(list)
        for first_no, last_no, *row in self._engine.read(_ATTEMPTS, key):
            attempt = _attempt(row)
            for copy_no in range(first_no, last_no + 1):
                attempts[copy_no].append(attempt)
        owed: defaultdict[int, list[ReportKind]] = defaultdict(list)
        for copy_no, kind in self._engine.read(_OWED, key):
            owed[copy_no].append(ReportKind(kind))
        return tuple(
            CopyStep(
                **_place(row),
                waiting=waiting.get(row[0]),
                attempts=tuple(attempts[row[0]]),
                owed=tuple(owed[row[0]]),
                collections=() if row[4] is None else self._collections(*row[3:6]),
            )
            for row in self._engine.read(_COPIES, key)
        )

    def _collections(
        self, mailbox_id: MailboxId, uid: Uid, deposited_at_s: float
    ) -> tuple[Collection, ...]:
        """Not those of before: a store that was put back gave the UID to another message then."""
        found = self._collected(mailbox_id, uid)
        return tuple(one for one in found if one.at_s >= deposited_at_s)


def _place(row: Row) -> dict[str, Any]:
    copy_no, recipient, state, mailbox_id, uid, settled_at_s, owner, mailbox, *removed = row
    return {
        "copy_no": copy_no,
        "recipient": recipient,
        "state": CopyState(state),
        "mailbox_id": mailbox_id,
        "uid": uid,
        "settled_at_s": settled_at_s,
        "owner": owner,
        "mailbox": mailbox,
        "removed_at_s": removed[0],
        "removed_by": remover_of(removed[1]),
    }


def _waiting(row: Row) -> Waiting:
    _, lane, next_hop, due_at_s, attempt_count, reason, not_before_s, error, suspended_s = row
    return Waiting(
        lane=Lane(lane),
        next_hop=next_hop,
        due_at_s=due_at_s,
        attempt_count=attempt_count,
        reason=reason or "",
        hop_not_before_s=not_before_s,
        hop_error=error,
        suspended_until_s=suspended_s,
    )


def _attempt(row: Sequence[Any]) -> PastAttempt:
    outcome, at_s, host, address, tls, status, words = row
    attempt = Attempt(at_s=at_s, host=host, address=address, tls=tls, status=status, words=words)
    return PastAttempt(attempt=attempt, outcome=CopyState(outcome))
