"""The same message for the same list, brought again within an hour: noted, and no second post.

    claim -> this copy, or one of before  -> was that one posted, or does it wait?

A copy is no repeat of itself, so whoever resumes after a crash goes on.  What was not
posted (refused, cancelled, or a moderator said no) is nobody's first.
"""

from __future__ import annotations

from collections.abc import Callable

from mailserver.lists.addresses import Purpose, next_hop_of
from mailserver.lists.sameness import Sameness
from mailserver.lists.verdict import REJECTED
from mailserver.store.ports.lists import Lists, MailingList
from mailserver.store.ports.queue import CopyRef, LeasedCopy, QueuedMessage
from mailserver.store.ports.shared.repeats import RepeatMemory
from mailserver.values.ids import MessageId
from smtp_relay.delivery.lists.post import header_of, pieces_of


class Repeats:
    """Used by the expander's thread."""

    def __init__(self, memory: RepeatMemory, *, lists: Lists, wall_s: Callable[[], float]) -> None:
        self._memory = memory
        self._lists = lists
        self._wall_s = wall_s

    def why(
        self,
        which: MailingList,
        copy: LeasedCopy,
        message: QueuedMessage,
        *,
        waits: bool = False,
        purpose: Purpose = Purpose.POST,
    ) -> str:
        """Words for the journey of a repeat; empty: it is none, and the first from now on.

        waits: it would wait for a moderator.  One that need not is no repeat of one that waits.
        """
        key = _sameness_of(message).key_for(next_hop_of(which.list_id) + purpose.value)
        own, now_s = f"{copy.ref.message_id}.{copy.ref.copy_no}", self._wall_s()
        first = self._memory.claim(key, own, now_s=now_s)
        if first == own:
            return ""
        if self._stands(_ref_of(first), waits=waits):
            return f"to nobody again: the list had the same message within an hour ({first})"
        self._memory.take(key, own, now_s=now_s)
        return ""

    def _stands(self, first: CopyRef, *, waits: bool) -> bool:
        if self._lists.post_progress(first) is not None:
            return True
        hold = self._lists.find_hold(first) if waits else None
        return hold is not None and hold.is_queued and hold.verdict != REJECTED


def _sameness_of(message: QueuedMessage) -> Sameness:
    sameness = Sameness(header_of(message)[len(message.head) :])
    for piece in pieces_of(message, message.header_octets):
        sameness.feed(piece)
    return sameness


def _ref_of(source: str) -> CopyRef:
    message_id, _, copy_no = source.partition(".")
    return CopyRef(MessageId(int(message_id)), int(copy_no))
