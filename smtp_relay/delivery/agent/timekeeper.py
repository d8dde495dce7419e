"""Tells delays, and returns what is too old: a slice at a time, from the queue itself.

    its age               what is written                             its sender
    a notice's age        when to tell next                           told of the delay
    the expiry            returned, 4.4.7, with the last words        told that it failed
    the same, untried     nothing, for as long again at most          nothing

What no agent has tried yet (none ran for days) is not returned before it was, unless somebody
suspended its hop.  A copy that is held since our store has lost its body stays held meanwhile;
what a person or a rule holds is none of this.  One agent of the service does it; a copy that an
agent holds is met later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import EXPIRED, ReportKind, is_owed
from mailserver.queue.schedule import Schedule
from mailserver.store.ports.queue import Attempt, CopyOutcome, OverdueCopy, Settlement
from mailserver.store.ports.writes import Outcome
from mailserver.texts.plurals import noun

SLICE_COPIES = 500
UNTRIED_AGAIN_S = 900.0
"""Later it is looked at again whether something that is too old was tried."""
UNTRIED_FACTOR = 2  # times the expiry: then it ends all the same
_HOUR_S = 3600.0


class Overdue(Protocol):
    def overdue(self, *, now_s: float, limit: int) -> list[OverdueCopy]: ...


class Timekeeper:
    """Call `look` now and then, in a thread that may block."""

    def __init__(
        self,
        store: Overdue,
        schedule: Schedule,
        *,
        submit: Callable[[Settlement, Callable[[Outcome], None]], None],
        told: Callable[[Outcome], None],
        wall_s: Callable[[], float],
        ends_s: Callable[[], float],
    ) -> None:
        """told: called with the outcome of each slice, wherever the committer delivers.

        ends_s: Unix time as `mailserver.values.clock` believes it: a copy's age is measured by it,
            so a clock that jumped ahead returns nothing.
        """
        self._store = store
        self._schedule = schedule
        self._submit = submit
        self._told = told
        self._wall_s = wall_s
        self._ends_s = ends_s

    def look(self) -> int:
        """One slice; returns how many copies it settles."""
        ends_s, now_s = self._ends_s(), self._wall_s()
        overdue = self._store.overdue(now_s=ends_s, limit=SLICE_COPIES)
        if overdue:
            outcomes = tuple(decide_overdue(copy, self._schedule, ends_s) for copy in overdue)
            settlement = Settlement(agent_id=None, outcomes=outcomes, at_s=now_s)
            self._submit(settlement, self._told)
        return len(overdue)


def decide_overdue(copy: OverdueCopy, schedule: Schedule, now_s: float) -> CopyOutcome:
    """What a copy whose time has come becomes."""
    if now_s >= schedule.expires_at(copy.accepted_at_s):
        longest_s = UNTRIED_FACTOR * schedule.expire_after_s
        if copy.may_end or now_s >= copy.accepted_at_s + longest_s:
            return _expired(copy, schedule, now_s)
        return CopyOutcome(ref=copy.ref, state=CopyState.QUEUED, tell_at_s=now_s + UNTRIED_AGAIN_S)
    owes = is_owed(ReportKind.DELAYED, notify=copy.notify, reverse_path=copy.reverse_path)
    return CopyOutcome(
        ref=copy.ref,
        state=CopyState.HELD if copy.is_held else CopyState.QUEUED,
        tells=copy.is_held,
        tell_at_s=schedule.next_tell(accepted_at_s=copy.accepted_at_s, now_s=now_s),
        owes=ReportKind.DELAYED if owes else None,
    )


def _expired(copy: OverdueCopy, schedule: Schedule, now_s: float) -> CopyOutcome:
    owes = is_owed(ReportKind.FAILED, notify=copy.notify, reverse_path=copy.reverse_path)
    hours = schedule.expire_after_s / _HOUR_S
    last = f"; the last answer: {copy.last_words}" if copy.last_words else ""
    words = f"not delivered within {hours:g} {noun(hours, 'hour')}{last}"
    return CopyOutcome(
        ref=copy.ref,
        state=CopyState.RETURNED,
        attempt=Attempt(at_s=now_s, status=EXPIRED, words=words),
        owes=ReportKind.FAILED if owes else None,
    )
