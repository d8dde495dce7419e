"""How much a list writes because somebody asked who did not sign in: their sender may be forged.

| of what a stranger asks for  | counted by                       | within an hour | a day |
| ---------------------------- | -------------------------------- | -------------- | ----- |
| to be told how a list works, | who would get the note, of any list | 3           | 6     |
| or to join                   | the peer's block of addresses    | 20             |       |
|                              | the list                         | 100            |       |
| to leave                     | who would get the note           | 3              | 6     |
|                              | the peer's block                 | 100            |       |
| a note that a post waits     | the list                         | 20 from no member, else 60 | |
| a post that goes out         | the list; more wait              | 60             |       |
| a letter to its owners       | the list; more come later        | 60             |       |

Who would get it: without what stands behind a plus, which costs nobody anything.  Leaving is
counted apart, and of its members only, so nobody who asks to join keeps anybody in.  Counts
stand in the scratch: all processes share them, and a power cut may forget them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from mailserver.peers.blocks import known_block_of
from mailserver.store.ports.lists import MailingList
from mailserver.store.ports.queue import QueuedMessage
from mailserver.telemetry.log import get_log
from mailserver.values.address import Address, split_plus

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0


class CountAct(Protocol):
    """`Attempts.count_act`: how many there were in the window, this one too."""

    def __call__(self, key: str, *, now_s: float, window_s: float) -> int: ...


@dataclass(frozen=True, slots=True)
class Allowance:
    """What strangers may ask for.  list_count: of one list; 0: its members are bound enough."""

    name: str
    block_count: int
    list_count: int
    reader_count: int = 3
    reader_day_count: int = 6


ASKING: Final = Allowance("ask", block_count=20, list_count=100)
LEAVING: Final = Allowance("leave", block_count=100, list_count=0)
MOST_UNINVITED: Final = 20
"""Posts from no member about which a list's moderators are told within an hour."""
MOST_FROM_STRANGERS: Final = 60
"""The same of everybody who did not sign in; so many of their posts go out, and then they wait."""
MOST_LETTERS: Final = 60
"""Letters of strangers that a list's owners get within an hour; the others come later."""


class Budgets:
    """Used by the expander's thread.  tell: the list's owners, once a day."""

    def __init__(
        self,
        count_act: CountAct,
        *,
        wall_s: Callable[[], float],
        tell: Callable[[MailingList], None],
    ) -> None:
        self._count_act = count_act
        self._wall_s = wall_s
        self._tell = tell
        self._log = get_log("lists")

    def allow(self, which: MailingList, allowance: Allowance, message: QueuedMessage) -> bool:
        """May we write to its sender?  What is refused for one reason counts for no later one."""
        name, block = allowance.name, known_block_of(message.peer)
        reader = bare_address(message.reverse_path)
        bounds = [
            (f"{name}:from:{block}", allowance.block_count if block else 0, HOUR_S),
            (f"{name}:to:{reader}", allowance.reader_count, HOUR_S),
            (f"{name}:to:{reader}:day", allowance.reader_day_count, DAY_S),
            (f"{name}:list:{which.list_id}", allowance.list_count, HOUR_S),
        ]
        return all(
            self._is_within(which, key, most, window_s) for key, most, window_s in bounds if most
        )

    def allow_note(self, which: MailingList, message: QueuedMessage, *, is_uninvited: bool) -> bool:
        """May moderators be written to about this post?  It waits for them all the same."""
        if message.account_id is not None:
            return True
        if is_uninvited:
            return self._is_within(which, f"uninvited:{which.list_id}", MOST_UNINVITED, HOUR_S)
        return self._is_within(which, f"posts:{which.list_id}", MOST_FROM_STRANGERS, HOUR_S)

    def allow_post(self, which: MailingList, message: QueuedMessage) -> bool:
        """May it go to members without a moderator?  Who did not sign in may be anybody."""
        if message.account_id is not None:
            return True
        return self._is_within(which, f"posted:{which.list_id}", MOST_FROM_STRANGERS, HOUR_S)

    def allow_letter(self, which: MailingList, message: QueuedMessage) -> bool:
        """May the owners get it now?"""
        if message.account_id is not None:
            return True
        return self._is_within(which, f"letters:{which.list_id}", MOST_LETTERS, HOUR_S)

    def _is_within(self, which: MailingList, key: str, most: int, window_s: float) -> bool:
        count = self._count_act(f"list-{key}", now_s=self._wall_s(), window_s=window_s)
        if count <= most:
            return True
        if count == most + 1:
            self._log.warning("strangers ask too much of a list", list=which.address, counted=key)
            day_key = f"list-owners:{which.list_id}"
            if self._count_act(day_key, now_s=self._wall_s(), window_s=DAY_S) == 1:
                self._tell(which)
        return False


def bare_address(path: str) -> str:
    """Whose mailbox it is, as far as anybody knows: folded, without what stands behind a plus."""
    local, _, domain = path.rpartition("@")
    return Address(split_plus(local)[0], domain).key
