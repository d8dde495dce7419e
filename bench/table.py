"""Which rows are compared, and how much of each: the whole table, or a quick look."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.rows import LARGE_OCTETS, SETTLE_S, CollectRow, DeliverRow
from bench.side import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How big the bench is."""

    rounds: int
    round_s: float  # how long one side works in one round, about; 0: a fixed, small load
    spread: int  # mailboxes
    mailboxes: int  # of the log-in row
    shelf: int  # messages in each mailbox of the RETR row
    large: int  # large messages in each mailbox of their RETR row
    big_mailbox: int  # messages
    queue: int  # copies that wait
    slow_queue: int  # copies that wait for a slow hop
    queue_batches: int  # of the cost of enqueueing and leasing
    work_s: float  # how long an agent with a large queue works before its memory is read
    engage_s: float  # how long an agent may take to turn to a slow hop, or away from it
    settle_s: float = SETTLE_S  # the longest wait for a service to come to rest


FULL = Scale(
    rounds=5,
    round_s=4.0,
    spread=1000,
    mailboxes=50,
    shelf=500,
    large=4,
    big_mailbox=100_000,
    queue=300_000,
    slow_queue=50_000,
    queue_batches=60,
    work_s=10.0,
    engage_s=3.0,
)
QUICK = Scale(
    rounds=1,
    round_s=0,
    spread=50,
    mailboxes=8,
    shelf=20,
    large=1,
    big_mailbox=2000,
    queue=2000,
    slow_queue=500,
    queue_batches=4,
    work_s=0.5,
    engage_s=0.2,
    settle_s=0.0,
)


def make_groups(scale: Scale) -> dict[str, Group]:
    """The accounts that every side has, by base name."""
    groups = (
        Group(base="boite", count=max(scale.spread, 50)),
        Group(base="releve", count=scale.mailboxes),
        Group(base="rayon", count=10),
        Group(base="lourd", count=4),
    )
    return {group.base: group for group in groups}


def make_rows(scale: Scale) -> list[DeliverRow | CollectRow]:
    """The rows, in the order of the table.  The titles are what the report says."""
    groups = make_groups(scale)
    rows: list[DeliverRow | CollectRow] = [
        *_small_rows(groups["boite"], scale),
        *_bulky_rows(groups["boite"]),
        *_collect_rows(groups, scale),
    ]
    return [replace(row, settle_s=scale.settle_s) for row in rows]


def _small_rows(boxes: Group, scale: Scale) -> list[DeliverRow]:
    spread = f"{scale.spread} mailboxes"
    return [
        DeliverRow(
            key="kept",
            title="delivered, 20 sessions kept open",
            unit="messages",
            target=8,
            group=boxes,
        ),
        DeliverRow(
            key="kept-spread",
            title=f"delivered, 20 sessions kept open, {spread}",
            unit="messages",
            target=8,
            group=boxes,
            spread=True,
        ),
        DeliverRow(
            key="single",
            title="delivered, one connection per message",
            unit="messages",
            target=4,
            group=boxes,
            keep_open=False,
        ),
        DeliverRow(
            key="single-spread",
            title=f"delivered, one connection per message, {spread}",
            unit="messages",
            target=4,
            group=boxes,
            keep_open=False,
            spread=True,
        ),
    ]


def _bulky_rows(boxes: Group) -> list[DeliverRow]:
    return [
        DeliverRow(
            key="fifty",
            title="delivered, each message to 50 recipients",
            unit="copies",
            target=10,
            group=boxes,
            recipients=50,
            first_loads=20,
            max_loads=2000,
        ),
        DeliverRow(
            key="large",
            title="delivered, messages of 9 MB, 4 sessions",
            unit="MB",
            target=2,
            group=boxes,
            size_octets=LARGE_OCTETS,
            sessions=4,
            first_loads=4,
            max_loads=200,
        ),
    ]


def _collect_rows(groups: dict[str, Group], scale: Scale) -> list[CollectRow]:
    return [
        CollectRow(
            key="large-retr",
            title="POP3 RETR, messages of 9 MB, 4 sessions",
            unit="MB",
            target=1,
            group=groups["lourd"],
            program="retr",
            messages_each=scale.large,
            size_octets=LARGE_OCTETS,
            concurrency=4,
            first_loads=4,
            max_loads=200,
        ),
        CollectRow(
            key="login",
            title="POP3 log-in (warm), STAT, UIDL, QUIT; 20 messages each",
            unit="sessions",
            target=1.5,
            group=groups["releve"],
            program="login",
            messages_each=20,
        ),
        CollectRow(
            key="retr",
            title="POP3 RETR, messages of 4 KiB, 10 sessions",
            unit="messages",
            target=1,
            group=groups["rayon"],
            program="retr",
            messages_each=scale.shelf,
            concurrency=10,
            first_loads=10,
            max_loads=2000,
        ),
    ]
