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

PACE_PATIENCE = 5.0
"""An upload may lag behind the least pace for so many times its silence: lines do stall."""


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
    pace_left_s: float = 0.0  # of an upload: how long it may still stand still
    pace_octets: int = -1  # how much of it had come at the last sweep; -1: none is under way
    pace_at_s: float = 0.0


def decide_idleness(
    activity: Activity,
    *,
    now_s: float,
    unread_octets: int,
    is_receiving: bool,
    is_working: bool,
    command_timeout_s: float,
    data_timeout_s: float,
    received_octets: int = 0,
    min_octets_per_s: float = 0.0,
) -> Idleness:
    """Look at one connection, and note what the peer has read since.

    is_receiving: in the data of a message, of which received_octets have come.
    is_working: the wait is ours.  min_octets_per_s: of an upload; 0: any pace will do.
    """
    is_late = _is_late(
        activity,
        now_s=now_s,
        octets=received_octets if is_receiving else -1,
        is_ours=is_working,
        most_s=data_timeout_s * PACE_PATIENCE,
        min_octets_per_s=min_octets_per_s,
    )
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
    return Idleness.SAY_AND_CLOSE if silent or is_late else Idleness.KEEP


def _is_late(
    activity: Activity,
    *,
    now_s: float,
    octets: int,
    is_ours: bool,
    most_s: float,
    min_octets_per_s: float,
) -> bool:
    """A bucket of time: it holds `most_s`, octets fill it at the least pace, and it runs out.

    One octet now and then keeps nobody in the middle of a message (Postfix: `smtpd_min_data_rate`).
    octets: -1 when no message is under way.  is_ours: it does not run meanwhile.
    """
    if octets < 0 or octets < activity.pace_octets or activity.pace_octets < 0:
        activity.pace_left_s = most_s  # another message, or none
    elif min_octets_per_s > 0:
        earned_s = (octets - activity.pace_octets) / min_octets_per_s
        waited_s = 0.0 if is_ours else now_s - activity.pace_at_s
        activity.pace_left_s = min(most_s, activity.pace_left_s + earned_s) - waited_s
    activity.pace_octets, activity.pace_at_s = octets, now_s
    return octets >= 0 and min_octets_per_s > 0 and activity.pace_left_s <= 0
