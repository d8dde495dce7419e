"""Settling: what became of copies, in the one transaction that all settlements of a batch share.

A settlement counts for what its agent still holds, or, without an agent, for
what nobody holds; the rest is lost and nothing changes for it.  What was just
relayed goes its own, shorter way: `queue.relayed`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailserver.queue.copies import TRANSITIONS, CopyState
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.queue import CopyOutcome, CopyRef, HopNote, Lane, Settled, Settlement
from mailserver.store.sql.engine import Connection
from mailserver.store.sql.queue import destinations
from mailserver.store.sql.queue import relayed as queue_relayed
from mailserver.store.sql.queue.rows import QueueRow, QueueRows

_NOTE_HOP = """
    UPDATE destination SET not_before_s = ?, failure_count = ?, last_error = ?, last_error_at_s = ?
    WHERE destination_id = ?"""


class ImpossibleOutcome(StoreError):
    """A transition that `mailserver.queue.copies` does not know: a bug of the caller."""


def settle(connection: Connection, settlements: Sequence[Settlement]) -> list[Settled]:
    """
    Raises:
        ImpossibleOutcome: of any; nothing may be committed then.
    """
    relayed = [queue_relayed.settle(connection, settlement) for settlement in settlements]
    outcomes = [outcome for settlement in settlements for outcome in settlement.outcomes]
    if not outcomes:
        return [Settled(lost) for lost in relayed]
    rows = QueueRows()
    rows.read(connection, (outcome.ref for outcome in outcomes))
    next_hops = {outcome.destination for outcome in outcomes if outcome.destination is not None}
    ids = destinations.find_or_add(connection, next_hops) if next_hops else {}
    settled = [
        Settled(lost + _settle_one(rows, settlement, ids))
        for settlement, lost in zip(settlements, relayed, strict=True)
    ]
    rows.write(connection)
    return settled


def note_hop(connection: Connection, note: HopNote) -> Settled:
    """How the hop itself fares; one that has been forgotten meanwhile stays forgotten."""
    error_at_s = note.at_s if note.error else None
    connection.execute(
        _NOTE_HOP,
        (note.not_before_s, note.failure_count, note.error, error_at_s, note.destination_id),
    )
    return Settled()


def _settle_one(
    rows: QueueRows, settlement: Settlement, ids: dict[str, int]
) -> tuple[CopyRef, ...]:
    lost: list[CopyRef] = []
    for outcome in settlement.outcomes:
        row = rows.rows.get((outcome.ref.message_id, outcome.ref.copy_no))
        if row is None or not _is_his(row, settlement.agent_id):
            lost.append(outcome.ref)
        else:
            _apply(rows, row, outcome, at_s=settlement.at_s, ids=ids)
    return tuple(lost)


def _is_his(row: QueueRow, agent_id: int | None) -> bool:
    if agent_id is None:
        return row.lane is not Lane.LEASED
    return row.lane is Lane.LEASED and row.agent_id == agent_id


def _apply(
    rows: QueueRows, row: QueueRow, outcome: CopyOutcome, *, at_s: float, ids: dict[str, int]
) -> None:
    state = outcome.state
    if state is not row.state and state not in TRANSITIONS[row.state]:
        raise ImpossibleOutcome(f"{row.state.name} copy cannot become {state.name}: {outcome.ref}")
    for attempt in outcome.before:
        rows.note(row, attempt, CopyState.QUEUED)
    if outcome.attempt is not None:
        rows.note(row, outcome.attempt, state)
        row.attempt_count += state is not CopyState.QUEUED or outcome.due_at_s is not None
    if outcome.owes is not None:
        rows.owe(row, outcome.owes, at_s)
    if state.is_final:
        rows.finish(row, state, at_s)
        return
    if outcome.tell_at_s is not None:
        row.tell_at_s = outcome.tell_at_s
    if outcome.destination is not None:
        row.destination_id = ids[outcome.destination]
    _place(row, outcome)
    rows.keep(row, at_s)


def _place(row: QueueRow, outcome: CopyOutcome) -> None:
    """Where it waits now."""
    if outcome.state is CopyState.HELD:
        row.hold(None if outcome.tells else outcome.reason)
    elif outcome.due_at_s is not None:
        row.wait(Lane.WAITING, outcome.due_at_s)
    elif row.lane is not Lane.WAITING:
        # Untried, it goes back to its turn; tried, it is due when it was.
        row.wait(Lane.FIRST if row.attempt_count == 0 else Lane.WAITING, row.due_at_s)
