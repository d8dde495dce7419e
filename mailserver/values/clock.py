"""What the service makes of the machine's clock: which time has really passed.

The machine's clock stamps everything, and waits are counted by it.  But it may
jump (a wrong hour, a battery that is empty, a start before NTP), and what ends
because long enough has passed ends for good: mail is returned, history is
forgotten, what was removed is freed, who has left is deleted.  So ends are
measured by a second clock, the believed one.  It goes on as the monotonic clock
does, and is the machine's clock as long as both go together.

    both together                    believed = machine's
    the machine's jumped ahead       believed goes on as before; ends wait
    the machine's jumped back        ends follow the machine's: they wait, too
    it has stood so for `STANDS_S`   it is right: believed = machine's again; not before BEGINNING_S
    after a time without a service   as a jump ahead: a day with tries comes before any end

A correction by less than `TOLERANCE_S` is no jump.  Where the machine's clock is
behind what was believed and then steps ahead, what was stamped meanwhile is too
old by as much: `Era` says which moments those are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

TOLERANCE_S: Final = 10.0
STANDS_S: Final = 86_400.0
MOST_ELAPSED_S: Final = 3600.0
"""Of one look at the clocks: a machine that slept, or a monotonic clock that jumped, proves no
more than this."""
BEGINNING_S: Final = 1_767_225_600.0
"""2026-01-01: no service had a store before, so a clock that says so is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Both clocks at one moment, as the store keeps them.

    steady_s: of the monotonic clock, which begins anew with each boot.
    boot: names the boot of the machine; empty where nothing does.
    strayed_at_s: the believed moment since which the two clocks say different things.
    behind_from_s: what the machine's clock said when it fell behind; None: it is not.
    newest_id: the newest message at that time.
    step_s: the last jump, how far; stepped_at_s: what the machine's clock said after it.
    bounded_count: stored moments that were brought back to where their rules allow, when last.
    """

    wall_s: float
    steady_s: float
    boot: str
    believed_s: float
    strayed_at_s: float | None = None
    behind_from_s: float | None = None
    newest_id: int = 0
    step_s: float = 0.0
    stepped_at_s: float | None = None
    bounded_count: int = 0
    bounded_at_s: float | None = None

    @property
    def gap_s(self) -> float:
        """How far the machine's clock is ahead of what is believed; negative: behind."""
        return self.wall_s - self.believed_s

    @property
    def is_behind(self) -> bool:
        """The machine's clock, or what was believed, is wrong: nobody knows which."""
        return self.behind_from_s is not None

    @property
    def ends_s(self) -> float:
        """The moment by which ends are measured: nothing ends that has not ended by both."""
        return min(self.wall_s, self.believed_s)

    @property
    def believed_from_s(self) -> float | None:
        """When the machine's clock will be believed, by itself; None: it is."""
        if self.strayed_at_s is None:
            return None
        return self.strayed_at_s + STANDS_S + self.gap_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """Moments that a clock stamped that was behind: from, to, and by how much it was.

    after_id: messages with a higher number came meanwhile.
    """

    from_s: float
    to_s: float
    by_s: float
    after_id: int


@dataclass(frozen=True, slots=True)
class Tick:
    """step_s: how far the machine's clock has jumped since; 0: it has not."""

    belief: Belief
    step_s: float = 0.0
    era: Era | None = None


def look(before: Belief | None, *, wall_s: float, steady_s: float, boot: str, newest: int) -> Tick:
    """What is believed now.  newest: number of the newest message."""
    if before is None:
        first = Belief(
            wall_s=wall_s, steady_s=steady_s, boot=boot, believed_s=max(wall_s, BEGINNING_S)
        )
        return Tick(_judge(first, first, newest))
    is_same_boot = bool(boot) and boot == before.boot
    elapsed_s = max(0.0, steady_s - before.steady_s) if is_same_boot else 0.0
    step_s = wall_s - before.wall_s - elapsed_s
    if abs(step_s) <= TOLERANCE_S or (step_s > 0 and not is_same_boot):
        step_s = 0.0  # after a boot, time has passed that nobody counted
    now = replace(
        before,
        wall_s=wall_s,
        steady_s=steady_s,
        boot=boot,
        believed_s=before.believed_s + min(elapsed_s, MOST_ELAPSED_S),
    )
    if step_s:
        now = replace(now, step_s=step_s, stepped_at_s=wall_s)
    if is_same_boot and now.behind_from_s is not None and step_s > 0:
        now = replace(now, behind_from_s=now.behind_from_s + step_s)  # lifted, it begins later
    now = _judge(now, before, newest)
    ahead_s = step_s if is_same_boot else _left_behind(before, now)
    return Tick(now, step_s, _era_of(before, before.wall_s + elapsed_s, ahead_s))


def _judge(now: Belief, before: Belief, newest: int) -> Belief:
    """Do the clocks go together, or how long have they not?"""
    gap_s, gap_before_s, strayed_at_s = now.gap_s, before.gap_s, now.strayed_at_s
    if abs(gap_s) <= TOLERANCE_S:
        return _together(now)
    # Another jump begins the day anew; small corrections, which add up, do not.
    if strayed_at_s is None or gap_s * gap_before_s < 0 or abs(gap_s) > 2 * abs(gap_before_s):
        strayed_at_s = now.believed_s
    elif now.believed_s - strayed_at_s >= STANDS_S and now.wall_s >= BEGINNING_S:
        return _together(now)
    now = replace(now, strayed_at_s=strayed_at_s)
    if gap_s > 0:
        return replace(now, behind_from_s=None)
    if now.behind_from_s is None:
        return replace(now, behind_from_s=now.wall_s, newest_id=newest)
    return now


def _together(now: Belief) -> Belief:
    return replace(now, believed_s=now.wall_s, strayed_at_s=None, behind_from_s=None)


def _left_behind(before: Belief, now: Belief) -> float:
    """After another boot nobody saw the step: as much as the clock was behind, once it is not."""
    return -before.gap_s if now.behind_from_s is None else 0.0


def _era_of(before: Belief, to_s: float, ahead_s: float) -> Era | None:
    if before.behind_from_s is None or ahead_s <= TOLERANCE_S:
        return None
    return Era(from_s=before.behind_from_s, to_s=to_s, by_s=ahead_s, after_id=before.newest_id)
