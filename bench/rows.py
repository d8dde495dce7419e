"""The work that is compared: each row loads one side and says what that cost.

A row is measured in units of its own (messages, copies, MB, sessions).  `measure` takes how many
loads to send, so that a fast side and a slow one both work for about the same time; a load is one
message, or one POP3 session.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
