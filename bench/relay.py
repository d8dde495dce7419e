"""Relaying: from a machine that may relay, through the service, to a next hop that takes all.

A round ends when the queue is empty: each copy was answered 250 by the next hop, and the service
has settled it.  Both sides are told to trust loopback, and to hand everything that is not theirs
to the sink (relayhost; a route).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from bench.load import send, smtp_command
from bench.rows import KIB4, SETTLE_S, Sample, children_ms, settle
from bench.side import DOMAIN, Side
from bench.table import Scale

ELSEWHERE = "ailleurs.example"
THOUSAND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRow:
    """Messages by SMTP, until the next hop has taken every copy.

    is_signed: our side signs what it sends (DKIM); the peer has no signer of its own.
    """

    key: str
    title: str
    unit: str
    target: float | None
    sessions: int = 20
    recipients: int = 1
    is_signed: bool = False
    first_loads: int = 200
    max_loads: int = 20_000
    settle_s: float = SETTLE_S

    def prepare(self, side: Side) -> None:
        """Once through, so that both sides have their processes and connections."""
        send(self._command(side, min(self.first_loads, 20)))
        side.wait_relayed()

    def measure(self, side: Side, loads: int) -> Sample:
        settle(side, self.settle_s)
        load_ms, cpu_ms, began_s = children_ms(), side.meter.read_ms(), time.perf_counter()
        send(self._command(side, loads))
        load_ms = children_ms() - load_ms
        side.wait_relayed()
        elapsed_s = time.perf_counter() - began_s
        settle(side, self.settle_s)
        return Sample(
            operations=loads * self.recipients,
            elapsed_s=elapsed_s,
            cpu_ms=side.meter.read_ms() - cpu_ms,
            load_cpu_ms=load_ms,
        )

    def _command(self, side: Side, count: int) -> list[str]:
        return smtp_command(
            side.ports.smtp,
            base="abonne",
            domain=ELSEWHERE,
            sender=f"boite@{DOMAIN}" if self.is_signed else None,
            message_count=count,
            size_octets=KIB4,
            sessions=self.sessions,
            recipients=self.recipients,
        )


def make_relay_rows(scale: Scale) -> list[RelayRow]:
    recipients = THOUSAND if scale.round_s else 100
    rows = [
        RelayRow(
            key="relay",
            title="relayed to one next hop, 20 sessions kept open",
            unit="messages",
            target=4,
        ),
        RelayRow(
            key="relay-signed",
            title="the same, ours signed (DKIM, RSA and Ed25519)",
            unit="messages",
            target=None,
            is_signed=True,
        ),
        RelayRow(
            key="relay-thousand",
            title="relayed, each message to 1,000 recipients at one destination, 20 sessions",
            unit="copies",
            target=4,
            recipients=recipients,
            first_loads=20,
            max_loads=400,
        ),
        RelayRow(
            key="relay-thousand-two",
            title="the same, two sessions",
            unit="copies",
            target=None,
            recipients=recipients,
            sessions=2,
            first_loads=4,
            max_loads=400,
        ),
    ]
    return [replace(row, settle_s=scale.settle_s) for row in rows]
