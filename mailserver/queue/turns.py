"""Whose copies go first: a turn for each, so that no sender holds up the others.

Start-time fair queueing (Goyal, Vin, Cheng 1996), with the real clock as the
virtual one.  Each sender has a clock of its own; a copy's turn is

    turn  = max(now, the sender's clock)
    clock = turn + TURN_S, at most HORIZON_S ahead of now

First tries to one hop go in the order of turns.  The thousandth copy of a mass
mailing has a turn a quarter of an hour ahead, so a single letter of somebody
else, whose turn is now, is tried before all that is left of the mailing but
its first moments.  A turn orders and delays nothing: with nobody else there,
the mailing goes at full speed.  And because turns are real times, new mail
cannot overtake a copy for ever: at the latest HORIZON_S after it came, its
turn is older than that of anything new.

Each process has its own clocks; a sender that uses several gets as many first
places.  Memory is bounded: of MAX_SENDERS senders with a clock ahead, those
least ahead are forgotten, and begin anew.
"""

from __future__ import annotations

from typing import Final

TURN_S: Final = 1.0
"""As far apart as the copies of one sender stand: no hop worth queueing for is slower."""
HORIZON_S: Final = 3600.0
MAX_SENDERS: Final = 10_000


class Turns:
    """The clocks of one process.  Not for several threads."""

    def __init__(self, *, max_senders: int = MAX_SENDERS) -> None:
        self._max_senders = max_senders
        self._clocks_s: dict[str, float] = {}

    def take(self, sender: str, *, now_s: float) -> float:
        """The turn of this sender's next copy: now, or later, never before its last one."""
        clock_s = self._clocks_s.get(sender)
        if clock_s is None and len(self._clocks_s) >= self._max_senders:
            self._forget(now_s)
        if clock_s is None or not now_s < clock_s <= now_s + HORIZON_S:
            clock_s = now_s  # new, passed, or kept under a machine's clock that was ahead
        turn_s = clock_s
        self._clocks_s[sender] = max(turn_s, min(turn_s + TURN_S, now_s + HORIZON_S))
        return turn_s

    def __len__(self) -> int:
        return len(self._clocks_s)

    def _forget(self, now_s: float) -> None:
        """Those whose clock has passed say nothing; then the half that is least ahead."""
        ahead = {
            sender: at_s
            for sender, at_s in self._clocks_s.items()
            if now_s < at_s <= now_s + HORIZON_S
        }
        if len(ahead) > self._max_senders // 2:
            by_clock = sorted(ahead.items(), key=lambda one: one[1])
            ahead = dict(by_clock[len(by_clock) - self._max_senders // 2 :])
        self._clocks_s = ahead


def turn_key(*, account_id: int | None, reverse_path: str, peer: str) -> str:
    """Who counts as the sender: the account, else the reverse-path, else the peer."""
    if account_id is not None:
        return f"account {account_id}"
    return f"sender {reverse_path.casefold()}" if reverse_path else f"peer {peer}"
