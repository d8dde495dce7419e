"""Whether a sender must be told what became of a copy: one pure decision.

| kind      | when                                  | asked for by                 |
| --------- | ------------------------------------- | ---------------------------- |
| failed    | the copy is returned                  | nothing said, NOTIFY=FAILURE |
| delayed   | it is still queued after some hours   | nothing said, NOTIFY=DELAY   |
| delivered | it is in a mailbox of ours            | NOTIFY=SUCCESS               |
| relayed   | handed on to a server without DSN     | NOTIFY=SUCCESS               |
| expanded  | a list took it, without DSN of its own| NOTIFY=SUCCESS               |

RFC 3461 §4.1, §6.2; a null sender is never told anything (RFC 5321 §4.5.5).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from mailserver.values.message import Notify


class ReportKind(IntEnum):
    """The numbers stand in the database and never change."""

    FAILED = 1
    DELAYED = 2
    DELIVERED = 3
    RELAYED = 4
    EXPANDED = 5


PHASE_FIELD: Final = "X-Mel-Ouvert-Phase"
"""Of our own reports (RFC 3464 §2.4): to which command the remote's words are the answer."""
EXPIRED: Final = "4.4.7"
"""RFC 3463 §3.5: delivery time expired.  Says nothing of why."""
BY_OPERATOR: Final = "operator"
"""Phase of an attempt that a person of ours decided: no server said anything."""
OUR_LOSS: Final = "store"
"""Phase of an attempt that failed since what is in our store cannot be read any more."""
REPORT_COPIES: Final = 1_000
"""Recipients that one report names at most."""

# Plain numbers: this is asked of every copy, and a flag's operators are slow.
_WANTED_BY: Final = {
    ReportKind.FAILED: int(Notify.FAILURE),
    ReportKind.DELAYED: int(Notify.DELAY),
    ReportKind.DELIVERED: int(Notify.SUCCESS),
    ReportKind.RELAYED: int(Notify.SUCCESS),
    ReportKind.EXPANDED: int(Notify.SUCCESS),
}
_UNSAID_MEANS: Final = int(Notify.FAILURE | Notify.DELAY)


def is_owed(kind: ReportKind, *, notify: Notify, reverse_path: str) -> bool:
    """Must the sender get a report of this kind about this copy?"""
    if not reverse_path:
        return False
    return bool((int(notify) or _UNSAID_MEANS) & _WANTED_BY[kind])
