"""What a list had before: the same message within an hour, and what we signed once.

Brought again within an hour it is noted, and no second post:

    claim -> this copy, or one of before  -> was that one posted, or does it wait?

A copy is no repeat of itself, so whoever resumes after a crash goes on.  What was not
posted (refused, cancelled, or a moderator said no) is nobody's first.

Whoever has a message that we signed can bring it as often as they like, to any list, under the
reverse-path of its author: it is posted once, then a moderator is asked.  So lists remember the
Message-IDs of what they handed out, all together and in the store, for `SEEN_S`; what is older
than that has no say, by its signed Date.

    one Message-ID, signed, which no list has had; a Date of the last 90 days   -> a post as usual
    anything else                                                               -> waits

Others' own mail is not looked at there: its names prove nothing, new or old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from mailserver.lists.addresses import ListPurpose, next_hop_of
from mailserver.lists.header import Field, find_values
from mailserver.lists.sameness import Sameness
from mailserver.lists.verdict import REJECTED
from mailserver.store.ports.lists import SEEN_S, Lists, MailingList
from mailserver.store.ports.queue import CopyRef, LeasedCopy, QueuedMessage
from mailserver.store.ports.shared.repeats import RepeatMemory
from mailserver.values.ids import MessageId
from smtp_relay.delivery.lists.post import header_of, pieces_of

_AHEAD_S: Final = 2 * 86_400.0
"""A clock may be so wrong."""


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
        purpose: ListPurpose = ListPurpose.POST,
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


class Seen(Protocol):
    def has_seen(self, digest: bytes) -> bool: ...


def message_ids(fields: Sequence[Field]) -> tuple[bytes, ...]:
    """A digest of each, whatever white space is in it."""
    values = (b"".join(value.split()) for value in find_values(fields, b"message-id"))
    return tuple(hashlib.sha256(b"seen\0" + value).digest() for value in values)


def why_replay(lists: Seen, message: QueuedMessage, fields: Sequence[Field], now_s: float) -> str:
    """Words for the moderator; empty: it is none, or of no concern here."""
    if not message.is_signed_by_us:
        return ""
    names = message_ids(fields)
    if len(names) != 1:
        return ": our signature, and not one Message-ID"
    if lists.has_seen(names[0]):
        return ": our signature, on what a list had before"
    age_s = _age_s(find_values(fields, b"date"), now_s)
    if age_s is None or not -_AHEAD_S <= age_s <= SEEN_S:
        return ": our signature, on what is old or has no date"
    return ""


def _age_s(dates: Sequence[bytes], now_s: float) -> float | None:
    try:
        (date,) = dates
        return now_s - parsedate_to_datetime(date.decode("ascii").strip()).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
