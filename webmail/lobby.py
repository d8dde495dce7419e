"""Who is connected, for how long they may be, and who makes room.

Every guest has one deadline at a time: for the handshake and the head of the first
request together, then for the request, then for the head of the next one.  No octet
puts it off, so a peer that drips is cut off like one that says nothing.  When all
places are taken, who has waited longest without a whole request makes room: connections
that only wait shut nobody out.
"""

from __future__ import annotations

from typing import Protocol


class Guest(Protocol):
    """One connection."""

    deadline_at_s: float

    @property
    def is_working(self) -> bool:
        """A request of theirs has arrived and is being answered."""
        ...

    def abort(self) -> None: ...


class Lobby:
    """The guests of this process, in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._guests: dict[Guest, None] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def __contains__(self, guest: Guest) -> bool:
        return guest in self._guests

    def admit(self, guest: Guest) -> bool:
        """False: all places are taken by requests."""
        if len(self._guests) >= self._most:
            idle = next((one for one in self._guests if not one.is_working), None)
            if idle is None:
                return False
            self._remove(idle)
        self._guests[guest] = None
        return True

    def forget(self, guest: Guest) -> None:
        """They have gone; said twice, it is no matter."""
        self._guests.pop(guest, None)

    def sweep(self, *, now_s: float) -> int:
        """Cut off whose time is over; how many."""
        late = [one for one in self._guests if now_s >= one.deadline_at_s]
        for guest in late:
            self._remove(guest)
        return len(late)

    def guests(self) -> tuple[Guest, ...]:
        return tuple(self._guests)

    def clear(self) -> None:
        """Cut everybody off."""
        for guest in self.guests():
            self._remove(guest)

    def _remove(self, guest: Guest) -> None:
        self.forget(guest)
        guest.abort()
