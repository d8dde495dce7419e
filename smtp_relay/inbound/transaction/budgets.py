"""What strangers may bring that makes us send or write: put off, or kept here, beyond that.

A stranger whose mail is sent on makes us send in our name: that is counted for each mailbox and
for each block (`ForwardBudget`).  Different posts and letters for one list (`ListBudget`):

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

Counts stand in the scratch: all processes share them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mailserver.lists.addresses import ListPurpose, list_of_hop, next_hop_of
from mailserver.peers.blocks import known_block_of
from mailserver.values.ids import AccountId, ListId
from mailserver.values.message import Deposit
from smtp_relay.inbound.service import Service
from smtp_relay.inbound.transaction.policy import Onward

HOUR_S: Final = 3600.0
MOST_OF_BLOCK: Final = {ListPurpose.POST: 60, ListPurpose.OWNER: 20}
MOST_WAITING: Final = 500
MOST_LETTERS: Final = 60


@dataclass(frozen=True, slots=True)
class ForwardBudget:
    """Of one session: what is sent on elsewhere because somebody wrote here.

    Beyond it mail stays in the mailbox (`sent_on`), and its holder is told (`staying`); the mail
    of who has left has none, and is put off.  Two that count at one instant are counted both.
    peer: a stranger's address; empty: one of us, or one that says nothing of who it is.
    """

    service: Service
    peer: str

    def has_room(self, holder: AccountId | None) -> bool:
        """Would one more go?  Counts none."""
        read, now_s = self.service.store.counters.read_act, self.service.wall_s()
        return all(
            read(key, now_s=now_s, window_s=HOUR_S) < most for key, most in self._bounds(holder)
        )

    def take(self, holder: AccountId | None) -> bool:
        """Count one; does it go?  What one bound refuses counts for no later one."""
        count, now_s = self.service.store.counters.count_act, self.service.wall_s()
        return all(
            count(key, now_s=now_s, window_s=HOUR_S) <= most for key, most in self._bounds(holder)
        )

    def _bounds(self, holder: AccountId | None) -> list[tuple[str, int]]:
        bounds = self.service.settings.forwarding
        found = [(f"forward:{holder}", bounds.max_per_mailbox_per_hour)]
        if block := known_block_of(self.peer) if self.peer else "":
            found.append((f"forward-from:{block}", bounds.max_per_block_per_hour))
        return found


@dataclass(frozen=True, slots=True)
class ListBudget:
    """Of one session of a stranger.  peer: its address; empty: it says nothing of who it is."""

    service: Service
    peer: str

    def has_room(self, list_id: ListId, purpose: ListPurpose) -> bool:
        store, now_s = self.service.store, self.service.wall_s()
        if purpose not in MOST_OF_BLOCK:
            return True
        if block := self._block():
            key = _key(list_id, purpose, block)
            if store.counters.read_act(key, now_s=now_s, window_s=HOUR_S) >= MOST_OF_BLOCK[purpose]:
                return False
        if purpose is ListPurpose.OWNER:
            key = f"list-letters:{list_id}"  # the expander counts
            return store.counters.read_act(key, now_s=now_s, window_s=HOUR_S) < MOST_LETTERS
        return store.lists.count_waiting(list_id, most=MOST_WAITING) < MOST_WAITING

    def note(self, routes: Iterable[Deposit | Onward]) -> None:
        """A message was stored; each list has it once."""
        block = self._block()
        for route in routes if block else ():
            if not isinstance(route, Onward):
                continue
            list_id = list_of_hop(route.next_hop)
            for purpose in MOST_OF_BLOCK if list_id is not None else ():
                if list_id is not None and route.once == next_hop_of(list_id) + purpose.value:
                    self.service.store.counters.count_act(
                        _key(list_id, purpose, block),
                        now_s=self.service.wall_s(),
                        window_s=HOUR_S,
                    )

    def _block(self) -> str:
        return known_block_of(self.peer) if self.peer else ""


def _key(list_id: ListId, purpose: ListPurpose, block: str) -> str:
    return f"list-{purpose.value}:{list_id}:{block}"
