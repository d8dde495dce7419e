"""What the agent works with: ports, and what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.commit import Submitter
from mailserver.store.ports.queue import DueDestination, Queue
from smtp_relay.delivery.client.connection import Connection, ConnectionListener
from smtp_relay.delivery.lists.one_click import HeadFor
from smtp_relay.delivery.plan import Resolution
from smtp_relay.delivery.schedule.orders import Open
from smtp_relay.delivery.schedule.outcomes import Judge

OpenConnection = Callable[[Open, ConnectionListener], Awaitable[Connection]]
"""`client.connection.open_connection` with the agent's options."""


class Resolutions(Protocol):
    """What the agent asks of the resolver."""

    async def find(self, next_hop: str) -> Resolution: ...

    def forget(self, next_hop: str) -> None:
        """Look again at the next `find`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the agent works with.

    wall_s: Unix time.  told: reports may be owed now, by a settlement or by whoever woke us.
    expand: gets the destinations that are lists; they have no hosts to be found.
    head_for: of a copy that leaves under a sender of its own; None: as it is kept.
    """

    store: Queue
    writer: Submitter
    resolutions: Resolutions
    open_connection: OpenConnection
    judge: Judge
    wall_s: Callable[[], float]
    told: Callable[[], None]
    expand: Callable[[Sequence[DueDestination]], None] = lambda _lists: None
    head_for: HeadFor | None = None
