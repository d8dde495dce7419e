"""When a connection has been silent for too long.

One sweep per process looks at every connection each second; nothing is
scheduled per command.  RFC 5321 §4.5.3.2.  We never time ourselves out: a
commit or a password check that is under way does not count as silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CLOSE_GRACE_S = 10.0
"""After our last word, how long a peer may take to read it."""


class Idleness(Enum):
    KEEP = "keep"
    SAY_AND_CLOSE = "say and close"  # 421 4.4.2
    ABORT = "abort"  # the peer reads nothing: no word would reach it


@dataclass(slots=True)
class Activity:
    """The times of one connection, all on the loop's clock."""

    heard_at_s: float  # a complete command, or any octet of a message
    unread_octets: int = 0  # our octets that the peer had not read at the last sweep
    read_at_s: float = 0.0  # when it last read some of them
    closing_at_s: float | None = None


def decide_idleness(
    activity: Activity,
    *,
    now_s: float,
    unread_octets: int,
    is_receiving: bool,
    is_working: bool,
    command_timeout_s: float,
    data_timeout_s: float,
) -> Idleness:
    """Look at one connection, and note what the peer has read since.

    is_receiving: in the data of a message.  is_working: the wait is ours.
    """
    if unread_octets == 0 or unread_octets != activity.unread_octets:
        activity.read_at_s = now_s
    activity.unread_octets = unread_octets
    if activity.closing_at_s is not None:
        late = now_s - activity.closing_at_s > CLOSE_GRACE_S
        return Idleness.ABORT if late else Idleness.KEEP
    if unread_octets and now_s - activity.read_at_s > data_timeout_s:
        return Idleness.ABORT
    if is_working or unread_octets:
        return Idleness.KEEP
    allowed_s = data_timeout_s if is_receiving else command_timeout_s
    silent = now_s - activity.heard_at_s > allowed_s
    return Idleness.SAY_AND_CLOSE if silent else Idleness.KEEP
