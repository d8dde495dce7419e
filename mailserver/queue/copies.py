"""The states of a copy, in one table.

| state     | meaning                                       | who moves it on          |
| --------- | --------------------------------------------- | ------------------------ |
| queued    | promised, due at some time                    | who leases it; its expiry|
| leased    | an agent is trying it, until its lease ends   | that agent, then any     |
| held      | waits for a person or a policy                | release, or return       |
| deposited | in a mailbox                                  | final                    |
| relayed   | another server answered 250                   | final                    |
| expanded  | replaced by its members' copies               | final                    |
| returned  | failed; its report is owed in the transaction | final                    |
| cancelled | removed by a person, with a reason            | final                    |

Recovery needs no pass at start-up: a local deposit is written in its final
state, by the transaction that accepts it, so a crash leaves a copy either
absent or deposited.  The numbers stand in the database and never change.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class CopyState(IntEnum):
    QUEUED = 1
    LEASED = 2
    HELD = 3
    DEPOSITED = 10
    RELAYED = 11
    EXPANDED = 12
    RETURNED = 13
    CANCELLED = 14

    @property
    def is_final(self) -> bool:
        return self >= FIRST_FINAL


FIRST_FINAL: Final = CopyState.DEPOSITED
"""States from this number on are final; the store's SQL compares with it."""

TRANSITIONS: Final[dict[CopyState, frozenset[CopyState]]] = {
    CopyState.QUEUED: frozenset(
        {CopyState.LEASED, CopyState.HELD, CopyState.RETURNED, CopyState.CANCELLED}
    ),
    CopyState.LEASED: frozenset(
        {
            CopyState.QUEUED,
            CopyState.HELD,
            CopyState.DEPOSITED,
            CopyState.RELAYED,
            CopyState.EXPANDED,
            CopyState.RETURNED,
        }
    ),
    CopyState.HELD: frozenset({CopyState.QUEUED, CopyState.RETURNED, CopyState.CANCELLED}),
}
"""Where each state may go; a state that is missing is final."""
