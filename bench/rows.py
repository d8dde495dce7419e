"""The work that is compared: each row loads one side and says what that cost.

A row is measured in units of its own (messages, copies, MB, sessions).  `measure` takes how many
loads to send, so that a fast side and a slow one both work for about the same time; a load is one
message, or one POP3 session.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bench.load import collect, send, smtp_command
from bench.side import BenchError, Group, Side

KIB4 = 4096
MB = 1_000_000
LARGE_OCTETS = 9 * MB  # under the 10,240,000 octets that Postfix allows by default

_QUIET_MS = 2.0  # a service that uses less CPU than this in _QUIET_S has come to rest
_QUIET_S = 0.15
SETTLE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measure of one side."""

    operations: float  # in the row's unit
    elapsed_s: float
    cpu_ms: float  # of the service, work that it does just afterwards included
    load_cpu_ms: float  # of the load generator: near the elapsed time, it was the limit

    @property
    def per_s(self) -> float:
        return self.operations / self.elapsed_s

    @property
    def cpu_ms_each(self) -> float:
        return self.cpu_ms / self.operations


class Row(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def target(self) -> float | None:
        """The ratio to reach, ours over the peer's."""
        ...

    @property
    def first_loads(self) -> int:
        """How many loads the warm-up takes, from which the count of a round follows."""
        ...

    @property
    def max_loads(self) -> int: ...

    def prepare(self, side: Side) -> None:
        """Fill mailboxes, warm caches.  Once for each side."""
        ...

    def measure(self, side: Side, loads: int) -> Sample: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverRow:
    """Messages by SMTP, until every copy is in its mailbox."""

    key: str
    title: str
    unit: str
    target: float | None
    group: Group
    size_octets: int = KIB4
    sessions: int = 20
    keep_open: bool = True
    recipients: int = 1
    spread: bool = False
    first_loads: int = 200
    max_loads: int = 20_000
    settle_s: float = SETTLE_S

    def prepare(self, side: Side) -> None:
        """Make each mailbox, and let a first log-in pay for its password hash, on both sides."""
        if self.spread or self.recipients > 1:
            send(self._command(side, self.group.count if self.spread else 1))
        collect(side.ports, "count", self._names)

    def measure(self, side: Side, loads: int) -> Sample:
        settle(side, self.settle_s)
        side.mark(self._names)
        commands = [self._command(side, count) for count in self._split(loads)]
        load_ms = children_ms()
        cpu_ms, began_s = side.meter.read_ms(), time.perf_counter()
        for command in commands:
            send(command)
        load_ms = children_ms() - load_ms
        side.wait_delivered()
        elapsed_s = time.perf_counter() - began_s
        settle(side, self.settle_s)
        cpu_ms = side.meter.read_ms() - cpu_ms
        copies = loads * self.recipients
        side.verify(self._names, copies)
        self._empty(side)
        each = self.size_octets / MB if self.unit == "MB" else 1.0
        return Sample(
            operations=copies * each, elapsed_s=elapsed_s, cpu_ms=cpu_ms, load_cpu_ms=load_ms
        )

    @property
    def _names(self) -> Sequence[str]:
        if self.spread:
            return self.group.numbered
        return self.group.together(self.recipients)

    def _split(self, loads: int) -> list[int]:
        """smtp-source numbers its recipients without end: one run for each time round them all."""
        if not self.spread:
            return [loads]
        whole, rest = divmod(loads, self.group.count)
        return [self.group.count] * whole + ([rest] if rest else [])

    def _command(self, side: Side, count: int) -> list[str]:
        return smtp_command(
            side.ports.smtp,
            base=self.group.base,
            message_count=count,
            size_octets=self.size_octets,
            sessions=self.sessions,
            keep_open=self.keep_open,
            recipients=self.recipients,
            spread=self.spread,
        )

    def _empty(self, side: Side) -> None:
        """Few full mailboxes are emptied over POP3, on both sides; many that hold little stay."""
        if not self.spread:
            collect(side.ports, "drain", self._names)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectRow:
    """POP3 sessions over mailboxes that stay as they are."""

    key: str
    title: str
    unit: str
    target: float | None
    group: Group
    program: str
    messages_each: int
    size_octets: int = KIB4
    concurrency: int = 20
    first_loads: int = 40
    max_loads: int = 20_000
    settle_s: float = SETTLE_S

    def prepare(self, side: Side) -> None:
        """Fill each mailbox; then one full round, so that both sides have their caches warm."""
        names = self._names
        collect(side.ports, "drain", names)
        command = smtp_command(
            side.ports.smtp,
            base=self.group.base,
            message_count=self.messages_each,
            size_octets=self.size_octets,
            sessions=4,
            recipients=self.group.count,
        )
        side.mark(names)
        send(command)
        side.wait_delivered()
        side.verify(names, self.messages_each * len(names))
        collect(side.ports, "retr", names)
        collect(side.ports, "login", names)

    def measure(self, side: Side, loads: int) -> Sample:
        settle(side, self.settle_s)
        cpu_ms = side.meter.read_ms()
        tally = collect(
            side.ports,
            self.program,
            self._names,
            session_count=loads,
            concurrency=self.concurrency,
        )
        settle(side, self.settle_s)
        cpu_ms = side.meter.read_ms() - cpu_ms
        if tally.messages != loads * self.messages_each:
            raise BenchError(f"{side.label}: mailboxes do not hold what was put in them")
        operations = {"sessions": tally.sessions, "messages": tally.messages}.get(
            self.unit, tally.messages * self.size_octets / MB
        )
        return Sample(
            operations=operations,
            elapsed_s=tally.elapsed_s,
            cpu_ms=cpu_ms,
            load_cpu_ms=tally.generator_cpu_ms,
        )

    @property
    def _names(self) -> Sequence[str]:
        return self.group.together(self.group.count)


def children_ms() -> float:
    """CPU time of the programs that this process has run to their end."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def settle(side: Side, limit_s: float = SETTLE_S) -> None:
    """Wait until the service has nothing left to do, or for `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    before_ms = side.meter.read_ms()
    while time.monotonic() < deadline_s:
        time.sleep(_QUIET_S)
        now_ms = side.meter.read_ms()
        if now_ms - before_ms < _QUIET_MS:
            return
        before_ms = now_ms


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
