"""How many different posts and letters strangers bring for one list: put off beyond that.

| what                        | counted by                    | most                  |
| --------------------------- | ----------------------------- | --------------------- |
| posts                       | the list and the peer's block | 60 within an hour     |
|                             | the list, while they wait     | 500, then all strangers|
| letters to a list's owners  | the list and the peer's block | 20 within an hour     |
|                             | the list                      | 60 within an hour     |

Asked at RCPT, where nobody has promised anything, and of all strangers alike: who is a
member outside shows in no answer.  Counted once a message is stored, so whoever only names a list
shuts out nobody.  The expander's own bounds (`smtp_relay.delivery.lists.budgets`) hold where many
come at one instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mailserver.lists.addresses import Purpose, list_of_hop, next_hop_of
from mailserver.peers.blocks import known_block_of
from mailserver.values.ids import ListId
from mailserver.values.message import Deposit
from smtp_relay.inbound.service import Service
from smtp_relay.inbound.transaction.policy import Onward

HOUR_S: Final = 3600.0
MOST_OF_BLOCK: Final = {Purpose.POST: 60, Purpose.OWNER: 20}
MOST_WAITING: Final = 500
MOST_LETTERS: Final = 60


class ListBudget:
    """Of one session of a stranger."""

    __slots__ = ("_block", "_service")

    def __init__(self, service: Service, *, peer: str) -> None:
        """peer: its address; empty: it says nothing of who it is."""
        self._service = service
        self._block = known_block_of(peer) if peer else ""

    def has_room(self, list_id: ListId, purpose: Purpose) -> bool:
        store, now_s = self._service.store, self._service.wall_s()
        if purpose not in MOST_OF_BLOCK:
            return True
        if self._block:
            key = self._key(list_id, purpose)
            if store.counters.read_act(key, now_s=now_s, window_s=HOUR_S) >= MOST_OF_BLOCK[purpose]:
                return False
        if purpose is Purpose.OWNER:
            key = f"list-letters:{list_id}"  # the expander counts
            return store.counters.read_act(key, now_s=now_s, window_s=HOUR_S) < MOST_LETTERS
        return store.lists.count_waiting(list_id, most=MOST_WAITING) < MOST_WAITING

    def note(self, routes: Iterable[Deposit | Onward]) -> None:
        """A message was stored; each list has it once."""
        for route in routes if self._block else ():
            if not isinstance(route, Onward):
                continue
            list_id = list_of_hop(route.next_hop)
            for purpose in MOST_OF_BLOCK if list_id is not None else ():
                if list_id is not None and route.once == next_hop_of(list_id) + purpose.value:
                    self._service.store.counters.count_act(
                        self._key(list_id, purpose),
                        now_s=self._service.wall_s(),
                        window_s=HOUR_S,
                    )

    def _key(self, list_id: ListId, purpose: Purpose) -> str:
        return f"list-{purpose.value}:{list_id}:{self._block}"
