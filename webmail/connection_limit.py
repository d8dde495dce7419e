"""Who is connected, for how long they may be, and who makes room.

Every connection has one deadline at a time: for the handshake and the head of the first
request together, then for the request, then for the head of the next one.  No octet
puts it off, so a peer that drips is cut off like one that says nothing.  When all
places are taken, who has waited longest without a whole request makes room: connections
that only wait shut nobody out.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class LimitedConnection(Protocol):
    """One connection."""

    deadline_at_s: float

    @property
    def is_working(self) -> bool:
        """A request of theirs has arrived and is being answered."""
        ...

    def abort(self) -> None: ...


class ConnectionLimit:
    """The connections of this process, in the order in which they came."""

    def __init__(self, most: int, *, per_block: int | None = None) -> None:
        """per_block: of one block of addresses; None: as many as there are places."""
        self._most = most
        self._per_block = most if per_block is None else per_block
        self._connections: dict[LimitedConnection, str] = {}  # and their blocks
        self._blocks: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    def __contains__(self, connection: LimitedConnection) -> bool:
        return connection in self._connections

    def admit(self, connection: LimitedConnection, *, block: str = "") -> bool:
        """False: all places are taken by requests, or all that its block may have.

        block: whose connections count together; empty: nobody's.  Its own make room first.
        """
        if block and self._blocks[block] >= self._per_block and not self._make_room(block):
            return False
        if len(self._connections) >= self._most and not self._make_room():
            return False
        self._connections[connection] = block
        if block:
            self._blocks[block] += 1
        return True

    def _make_room(self, block: str = "") -> bool:
        idle = next(
            (
                one
                for one, of_one in self._connections.items()
                if not one.is_working and (not block or of_one == block)
            ),
            None,
        )
        if idle is not None:
            self._remove(idle)
        return idle is not None

    def forget(self, connection: LimitedConnection) -> None:
        """They have gone; said twice, it is no matter."""
        block = self._connections.pop(connection, "")
        if block:
            self._blocks[block] -= 1
            if self._blocks[block] <= 0:
                del self._blocks[block]

    def sweep(self, *, now_s: float) -> int:
        """Cut off whose time is over; how many."""
        late = [one for one in self._connections if now_s >= one.deadline_at_s]
        for connection in late:
            self._remove(connection)
        return len(late)

    def connections(self) -> tuple[LimitedConnection, ...]:
        return tuple(self._connections)

    def clear(self) -> None:
        """Cut everybody off."""
        for connection in self.connections():
            self._remove(connection)

    def _remove(self, connection: LimitedConnection) -> None:
        self.forget(connection)
        connection.abort()
