"""What waits, as a table for a terminal, as lines for a pipe, as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailserver.cli.moments import clock, iso, until
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from mailserver.store.ports.operators import DestinationState, QueuedCopy

COPY_COLUMNS = ("id", "state", "from, to, by", "next try, why")
HOP_COLUMNS = ("destination", "first", "waiting", "leased", "held", "next try", "why")


def copy_id(copy: QueuedCopy) -> str:
    """`ID:N`, as every command takes it."""
    from mailserver.values.ids import accept_id_text

    return f"{accept_id_text(copy.accept_id)}:{copy.ref.copy_no}"


def copy_cells(copy: QueuedCopy) -> tuple[str, ...]:
    """The cells of `COPY_COLUMNS`, of several lines each: ids and addresses are long."""
    _, state, tries, recipient, sender, hop, next_try, why = copy_row(copy)
    sender = sender if sender == "<>" else sender[1:-1]
    tried = "" if tries == "0" else f"{state}\n{tries} {'try' if tries == '1' else 'tries'}"
    last = "\n".join(part for part in (next_try, why) if part != "-")
    return (copy_id(copy), tried or state, f"{sender}\n{recipient}\n{hop}", last or "-")


def copy_row(copy: QueuedCopy) -> tuple[str, ...]:
    """One line, harmless on a terminal: id, state, tries, recipient, sender, hop, next try, why."""
    return (
        copy_id(copy),
        copy.lane.name.lower(),
        str(copy.attempt_count),
        shown(copy.recipient),
        f"<{shown(copy.reverse_path)}>",
        shown(copy.next_hop),
        clock(copy.due_at_s) if copy.lane.name == "WAITING" else "-",
        shown(copy.reason or copy.last_words) or "-",
    )


def waiting_count(hop: DestinationState) -> int:
    """Copies for it, in whatever state."""
    return hop.first_count + hop.waiting_count + hop.leased_count + hop.held_count


def is_of_interest(hop: DestinationState) -> bool:
    """Something waits for it, or a person has stopped it; the rest is only remembered."""
    return waiting_count(hop) > 0 or hop.suspended_until_s is not None


def hop_row(hop: DestinationState) -> tuple[str, ...]:
    """The cells of `HOP_COLUMNS`."""
    counts = (hop.first_count, hop.waiting_count, hop.leased_count, hop.held_count)
    return (shown(hop.next_hop), *map(str, counts), _next_try(hop), _why(hop))


def copy_facts(copy: QueuedCopy) -> dict[str, Any]:
    from mailserver.values.ids import accept_id_text

    return {
        "id": accept_id_text(copy.accept_id),
        "copy": copy.ref.copy_no,
        "state": copy.lane.name.lower(),
        "recipient": copy.recipient,
        "sender": copy.reverse_path,
        "destination": copy.next_hop,
        "due_at": iso(copy.due_at_s),
        "accepted_at": iso(copy.accepted_at_s),
        "attempt_count": copy.attempt_count,
        "reason": copy.reason,
        "last_status": copy.last_status,
        "last_words": copy.last_words,
        "octets": copy.size_octets,
    }


def hop_facts(hop: DestinationState) -> dict[str, Any]:
    return {
        "destination": hop.next_hop,
        "first": hop.first_count,
        "waiting": hop.waiting_count,
        "leased": hop.leased_count,
        "held": hop.held_count,
        "next_due_at": iso(hop.next_due_at_s),
        "not_before": iso(hop.not_before_s or None),
        "failure_count": hop.failure_count,
        "last_error": hop.last_error,
        "last_error_at": iso(hop.last_error_at_s),
        "suspended": hop.suspended_until_s is not None,
        "suspended_until": iso(hop.suspended_until_s),
    }


def print_rows(
    columns: Sequence[str], rows: Iterable[tuple[str, ...]], *, console: Console | None
) -> None:
    """A table where there is a console, else one line a row."""
    if console is None:
        for row in rows:
            print("  ".join(row))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[:-2]:
        column.no_wrap = True
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _next_try(hop: DestinationState) -> str:
    if hop.suspended_until_s is not None:
        return f"suspended {until(hop.suspended_until_s)}"
    if hop.next_due_at_s is None:
        return "-"
    if not hop.not_before_s and hop.first_count:
        return "now"
    return clock(max(hop.next_due_at_s, hop.not_before_s))


def _why(hop: DestinationState) -> str:
    if not hop.last_error:
        return "-"
    at = f" ({clock(hop.last_error_at_s)})" if hop.last_error_at_s is not None else ""
    return shown(hop.last_error) + at
