"""How much is sent on elsewhere because somebody wrote here: for each mailbox, and for each block.

A stranger whose mail is sent on makes us send in our name.  Beyond a budget it stays in the
mailbox (`sent_on`), and its holder is told (`staying`); the mail of who has left has none,
and is put off.  Counts stand in the scratch: all processes share them.
"""

from __future__ import annotations

from typing import Final

from mailserver.peers.blocks import known_block_of
from mailserver.values.ids import AccountId
from smtp_relay.inbound.service import Service

HOUR_S: Final = 3600.0


class ForwardBudget:
    """Of one session.  Two that count at one instant are counted both."""

    __slots__ = ("_peer", "_service")

    def __init__(self, service: Service, *, peer: str) -> None:
        """peer: a stranger's address; empty: one of us, or one that says nothing of who it is."""
        self._service = service
        self._peer = peer

    def has_room(self, holder: AccountId | None) -> bool:
        """Would one more go?  Counts none."""
        read, now_s = self._service.store.counters.read_act, self._service.wall_s()
        return all(
            read(key, now_s=now_s, window_s=HOUR_S) < most for key, most in self._bounds(holder)
        )

    def take(self, holder: AccountId | None) -> bool:
        """Count one; does it go?  What one bound refuses counts for no later one."""
        count, now_s = self._service.store.counters.count_act, self._service.wall_s()
        return all(
            count(key, now_s=now_s, window_s=HOUR_S) <= most for key, most in self._bounds(holder)
        )

    def _bounds(self, holder: AccountId | None) -> list[tuple[str, int]]:
        bounds = self._service.settings.forwarding
        found = [(f"forward:{holder}", bounds.max_per_mailbox_per_hour)]
        if block := known_block_of(self._peer) if self._peer else "":
            found.append((f"forward-from:{block}", bounds.max_per_block_per_hour))
        return found
