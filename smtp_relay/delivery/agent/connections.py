"""One connection of the agent: opened in a task of its own, then call-backs only.

`AgentConnection` is the connection's listener; it knows which batch each transaction is, in the
order in which they were offered, and hands everything on to the agent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailserver.telemetry.log import get_log
from smtp_relay.delivery.client.connection import Connection, ConnectionListener
from smtp_relay.delivery.schedule.orders import Open, RecipientBatch
from smtp_relay.delivery.verdicts import (
    ConnectionFacts,
    ConnectionFailure,
    Phase,
    Transaction,
    Verdict,
)

OpenConnection = Callable[[Open, ConnectionListener], Awaitable[Connection]]
"""`client.connection.open_connection` with the agent's options."""


class ConnectionOwner(Protocol):
    def connection_opened(self, connection: AgentConnection) -> None: ...

    def transaction_done(
        self,
        connection: AgentConnection,
        transaction: Transaction,
        batch: RecipientBatch,
        verdicts: Sequence[Verdict],
    ) -> None: ...

    def transaction_not_taken(self, connection: AgentConnection, batch: RecipientBatch) -> None: ...

    def connection_ended(
        self,
        connection: AgentConnection,
        failure: ConnectionFailure | None,
        untouched: Sequence[RecipientBatch],
    ) -> None: ...


class AgentConnection:
    """The agent's side of one connection."""

    def __init__(
        self, owner: ConnectionOwner, open_connection: OpenConnection, order: Open
    ) -> None:
        self.number = order.number
        self.facts = ConnectionFacts(hop=order.hop, address=order.address, tls="")
        self._owner = owner
        self._open_connection = open_connection
        self._order = order
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._load: deque[tuple[Transaction, RecipientBatch]] = deque()

    async def open(self) -> None:
        """Told to the owner either as opened or as lost."""
        self._task = asyncio.current_task()
        try:
            connection = await self._open_connection(self._order, self)
        except ConnectionFailure as failure:
            self._owner.connection_ended(self, failure, ())
            return
        except asyncio.CancelledError:
            self._owner.connection_ended(self, None, ())
            return
        except Exception as error:  # noqa: BLE001 - the top of a task
            get_log("delivery").error("connection not opened", exc_info=error)
            ours = _ended(Phase.CONNECT, "4.3.0", "our own failure, see the log")
            self._owner.connection_ended(self, ours, ())
            return
        if not connection.has_room:  # it ended before this task had its turn
            self._owner.connection_ended(
                self, _ended(Phase.GREETING, "4.4.2", "the host hung up"), ()
            )
            return
        self._task, self._connection, self.facts = None, connection, connection.facts
        self._owner.connection_opened(self)
        if self._is_closing:
            connection.close()

    def offer(self, transaction: Transaction, batch: RecipientBatch) -> None:
        connection = self._connection
        if connection is None or not connection.has_room:
            # It is being lost, or takes no more: what is offered goes elsewhere.
            transaction.message.close()
            self._owner.transaction_not_taken(self, batch)
            return
        self._load.append((transaction, batch))
        connection.offer(transaction)

    def close(self) -> None:
        """When what it carries is through."""
        self._is_closing = True
        if self._connection is not None:
            self._connection.close()

    def stop_opening(self) -> None:
        if self._connection is None and self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        self.stop_opening()
        if self._connection is not None:
            self._connection.abort()

    # --- as the connection's listener --------------------------------------------------------

    def transaction_done(
        self, _connection: Connection, transaction: Transaction, verdicts: list[Verdict]
    ) -> None:
        _, batch = self._load.popleft()
        self._owner.transaction_done(self, transaction, batch, verdicts)

    def connection_ended(
        self,
        _connection: Connection,
        failure: ConnectionFailure | None,
        untouched: list[Transaction],
    ) -> None:
        assert len(untouched) == len(self._load)
        for transaction, _ in self._load:
            transaction.message.close()
        self._owner.connection_ended(self, failure, [batch for _, batch in self._load])


def _ended(phase: Phase, status: str, words: str) -> ConnectionFailure:
    return ConnectionFailure(phase=phase, status=status, words=words)
