"""The peer: Postfix delivering over LMTP to Dovecot, both private to this run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import dovecot
from bench.cpu import open_meter
from bench.dovecot import Dovecot
from bench.postfix import Postfix
from bench.process import find_free_ports, wait_until
from bench.side import BenchError, Ports

_DELIVERY_TIMEOUT_S = 120.0


class Peer:
    label = "Postfix + Dovecot"

    def __init__(self, folder: Path, names: Sequence[str], *, sink_port: int) -> None:
        """`folder` is made here, and all that both programs write is in it."""
        smtp, pop3 = find_free_ports(2)
        self.ports = Ports(smtp=smtp, pop3=pop3)
        self.meter = open_meter("peer")
        self.notes = dovecot.NOTES
        self._names = list(names)
        self._postfix = Postfix(
            folder / "postfix", port=smtp, meter=self.meter, sink_port=sink_port
        )
        self._dovecot = Dovecot(
            folder / "dovecot",
            port=pop3,
            lmtp_socket=self._postfix.lmtp_socket,
            meter=self.meter,
        )
        self._marked = 0

    def start(self) -> None:
        self._postfix.configure(self._names)
        self._dovecot.configure(self._names)
        self._postfix.make_folders()
        self._dovecot.start()
        self._postfix.start()

    def mark(self, names: Sequence[str]) -> None:
        self._marked = self._dovecot.count(names)

    def wait_delivered(self) -> None:
        """Postfix takes a message out of its queue when Dovecot has answered for its copies."""
        wait_until(
            self._postfix.queue_is_empty, what="Postfix's queue", timeout_s=_DELIVERY_TIMEOUT_S
        )

    def wait_relayed(self) -> None:
        self.wait_delivered()

    def verify(self, names: Sequence[str], count: int) -> None:
        found = self._dovecot.count(names) - self._marked
        if found != count:
            raise BenchError(f"{self.label}: {count} copies sent, {found} are in mailboxes")

    def stop(self) -> None:
        try:
            self._postfix.stop()
        finally:
            self._dovecot.stop()
            self.meter.close()
