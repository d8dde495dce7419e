"""A server transport that writes at once when it can.

Twisted's own keeps every write for the next turn of the loop and pays two
changes of the epoll set for it.  Here a write whose predecessors are all gone
goes to the socket first; only what the kernel does not take is kept.  Errors
are left to the kept part: the loop meets them and ends the connection.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet import main, tcp
from twisted.python.failure import Failure


class Outlet(Protocol):
    """What a session's shell uses of its transport, plain or TLS."""

    def write(self, data: bytes) -> None: ...

    def startTLS(self, ctx: Any) -> None: ...

    def registerProducer(self, producer: Any, streaming: bool) -> None: ...  # noqa: FBT001

    def unregisterProducer(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def loseConnection(self) -> None: ...

    def abortConnection(self) -> None: ...


def socket_of(transport: Any) -> Any:
    """The socket under a transport, plain or TLS; None: there is none."""
    while transport is not None and not hasattr(transport, "socket"):
        transport = getattr(transport, "transport", None)
    return getattr(transport, "socket", None)


class EagerServer(tcp.Server):
    """One accepted connection.  Set as `transport` of a listening `tcp.Port`."""

    @property
    def unsent_octets(self) -> int:
        """Written and not yet taken by the kernel."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen

    def write(self, data: bytes) -> None:
        # Under STLS the mix-in hands `data` to the TLS layer, which writes past us.
        if self.TLS or self.unsent_octets or not self.connected or self.disconnecting:
            self._write_later(data)
            return
        sent: Any = self.writeSomeData(data)
        if sent == len(data):
            return
        rest = memoryview(data)
        while isinstance(sent, int) and sent > 0:
            rest = rest[sent:]
            if not rest:
                return
            sent = self.writeSomeData(rest)  # type: ignore[arg-type]
        self._write_later(bytes(rest))

    def loseConnection(self) -> None:
        if self.TLS or self.unsent_octets or not self.connected or self.disconnecting:
            super().loseConnection()  # type: ignore[no-untyped-call]
            return
        # Nothing is left to send: no need to wait until the socket can be written.
        self.disconnecting = True
        self.stopReading()  # type: ignore[no-untyped-call]
        closed = Failure(main.CONNECTION_DONE)  # type: ignore[no-untyped-call]
        self.reactor.callLater(0, self.connectionLost, closed)

    def _write_later(self, data: bytes) -> None:
        super().write(data)  # type: ignore[no-untyped-call]
