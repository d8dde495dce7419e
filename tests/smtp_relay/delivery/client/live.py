"""Real connections over loopback, on uvloop, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import uvloop

from smtp_relay.delivery.client.connection import Connection, open_connection
from smtp_relay.delivery.client.options import ConnectionOptions, Times
from smtp_relay.delivery.client.trust import Contexts, make_contexts
from smtp_relay.delivery.plan import Hop, Login, Protocol, TlsDemand
from smtp_relay.delivery.verdicts import ConnectionFailure, Kind, Transaction, Verdict
from tests.smtp_relay.delivery.client.letters import IN_CLEAR
from tests.smtp_relay.delivery.peers import LOOPBACK


def run(play: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play)


@dataclass(eq=False)
class Listener:
    """Remembers what it is told; `more` is offered as soon as there is room."""

    more: list[Transaction] = field(default_factory=list)
    done: list[tuple[Transaction, list[Verdict]]] = field(default_factory=list)
    lost: list[tuple[ConnectionFailure | None, list[Transaction]]] = field(default_factory=list)
    _change: asyncio.Event = field(default_factory=asyncio.Event)

    def transaction_done(
        self, connection: Connection, transaction: Transaction, verdicts: list[Verdict]
    ) -> None:
        assert not self.lost
        self.done.append((transaction, verdicts))
        self.feed(connection)
        self._change.set()

    def connection_ended(
        self,
        connection: Connection,
        failure: ConnectionFailure | None,
        untouched: list[Transaction],
    ) -> None:
        assert not connection.has_room
        self.lost.append((failure, untouched))
        self._change.set()

    def feed(self, connection: Connection) -> None:
        while self.more and connection.has_room:
            connection.offer(self.more.pop(0))

    def kinds(self) -> list[Kind]:
        return [verdict.kind for _, verdicts in self.done for verdict in verdicts]

    def words(self) -> str:
        return self.done[-1][1][-1].words

    async def until_done(self, count: int) -> None:
        while len(self.done) < count:
            self._change.clear()
            await self._change.wait()

    async def until_lost(self) -> ConnectionFailure | None:
        while not self.lost:
            self._change.clear()
            await self._change.wait()
        assert len(self.lost) == 1
        return self.lost[0][0]


@cache
def contexts() -> Contexts:
    return make_contexts()


async def connect(
    port: int,
    listener: Listener | None = None,
    *,
    host: str = "peer.test",
    tls: TlsDemand = IN_CLEAR,
    protocol: Protocol = Protocol.SMTP,
    login: Login | None = None,
    trust: Contexts | None = None,
    times: Times | None = None,
) -> Connection:
    return await open_connection(
        Hop(host=host, addresses=(LOOPBACK,), port=port, tls=tls),
        LOOPBACK,
        protocol=protocol,
        login=login,
        options=ConnectionOptions(
            hostname="us.test",
            contexts=trust or contexts(),
            is_still_ours=lambda: True,
            times=times or Times(),
        ),
        loop=asyncio.get_running_loop(),
        listener=listener or Listener(),
    )


async def refused(port: int, **how: Any) -> ConnectionFailure:
    """How the opening failed."""
    try:
        connection = await connect(port, **how)
    except ConnectionFailure as failure:
        return failure
    connection.abort()
    raise AssertionError("the connection was opened")
