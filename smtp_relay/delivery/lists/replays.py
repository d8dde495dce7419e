"""What we signed once, and a stranger brings again: posted once, then a moderator is asked.

Whoever has a message that we signed can bring it as often as they like, to any list, under the
reverse-path of its author.  So lists remember the Message-IDs of what they handed out, all together
and in the store, for `SEEN_S`; what is older than that has no say, by its signed Date.

    one Message-ID, signed, which no list has had; a Date of the last 90 days   -> a post as usual
    anything else                                                               -> waits

Others' own mail is not looked at here: its names prove nothing, new or old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from mailserver.lists.header import Field, find_values
from mailserver.store.ports.lists import SEEN_S
from mailserver.store.ports.queue import QueuedMessage

_AHEAD_S: Final = 2 * 86_400.0
"""A clock may be so wrong."""


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
