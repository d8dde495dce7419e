"""Sign-ins that wait for a maildrop: in the order in which they came, across processes.

Programs take `[IN-USE]` for a wrong password and ask their people for another one, so PASS
waits a little.  Nothing blocks: the first of each mailbox tries again at each tick, and at once
when a session of this process lets the mailbox go.  What the first ones wait for, and since
when, stands on the board, so that a later one in another process does not get in before.

A holder whose network has vanished makes room (`peers.liveness`): each process looks at its own
holders of what is waited for, wherever that is.  That takes two looks, and `lock_wait_s` may be
shorter, or nothing: so a maildrop is wanted for a while after a sign-in was refused, too, and
whoever asks again gets it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from mailserver.peers.board import PeersBoard
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.values.ids import MailboxId

TICK_S = 0.1
LOOK_S = 0.5
"""How often the board is read for what others wait for."""
SUSPECT_S = 2.0
"""A holder makes room when it was suspect at two looks so far apart: an answer takes less."""
WANTED_S = 10.0
"""So long after a sign-in was refused its maildrop's holder is looked at: several looks."""
MOST_REFUSED = 1_000
_NEVER = math.inf
"""Since when somebody waits who does not wait any more: behind everybody, and in nobody's way."""


class Locks(Protocol):
    def lock_maildrop(self, mailbox_id: MailboxId) -> MaildropLock | None: ...


class Applicant(Protocol):
    """A session that waits."""

    def conclude_waiting(self, lock: MaildropLock | StoreError | None) -> None:
        """The lock is theirs; or it could not be asked for; or (None) the time is over."""
        ...


class Holder(Protocol):
    """A connection that may hold a maildrop."""

    @property
    def maildrop_id(self) -> MailboxId | None: ...

    def is_suspect(self, *, after_s: float) -> bool: ...

    def abort(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WaitingPlace:
    applicant: Applicant
    mailbox_id: MailboxId
    since_s: float


class MaildropQueue:
    """The waiting sign-ins of this process."""

    def __init__(
        self,
        locks: Locks,
        board: PeersBoard,
        *,
        clock_s: Callable[[], float],
        wait_s: float,
        yield_s: float,
    ) -> None:
        """clock_s: monotonic, the machine's."""
        self._locks = locks
        self._board = board
        self._clock_s = clock_s
        self._wait_s = wait_s
        self._yield_s = yield_s
        self._queues: dict[MailboxId, deque[WaitingPlace]] = {}
        self._suspects: dict[Holder, float] = {}
        self._refused_at_s: dict[MailboxId, float] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def is_waited_for(self, mailbox_id: MailboxId) -> bool:
        """By somebody, here or in another process, who is to have it first?"""
        if mailbox_id in self._queues:
            return True
        return any(key == mailbox_id and since_s < _NEVER for key, since_s in self._board.waiters())

    def note_refused(self, mailbox_id: MailboxId) -> None:
        """Somebody was told that it is in use, and will ask again."""
        self._refused_at_s.pop(mailbox_id, None)
        if len(self._refused_at_s) >= MOST_REFUSED:
            del self._refused_at_s[next(iter(self._refused_at_s))]
        self._refused_at_s[mailbox_id] = self._clock_s()
        self._publish()

    def enter(self, applicant: Applicant, mailbox_id: MailboxId) -> None:
        place = WaitingPlace(applicant, mailbox_id, self._clock_s())
        self._queues.setdefault(mailbox_id, deque()).append(place)
        self._publish()

    def leave(self, applicant: Applicant) -> None:
        """The peer has gone."""
        for mailbox_id, queue in list(self._queues.items()):
            for place in [place for place in queue if place.applicant is applicant]:
                queue.remove(place)
            if not queue:
                del self._queues[mailbox_id]
        self._publish()

    def clear(self) -> None:
        """The process is to end: nobody waits any more."""
        waiting = [place for queue in self._queues.values() for place in queue]
        self._queues.clear()
        self._publish()
        for place in waiting:
            place.applicant.conclude_waiting(None)

    def tick(self) -> None:
        """Let in who can come in, and tell those whose time is over."""
        for mailbox_id in list(self._queues):
            self.serve(mailbox_id)
        self._publish()

    def serve(self, mailbox_id: MailboxId) -> None:
        """Try for the first who waits for this one."""
        while queue := self._queues.get(mailbox_id):
            first = queue[0]
            answer = self._try(first)
            if answer is None and self._clock_s() < first.since_s + self._wait_s:
                return
            queue.popleft()
            if not queue:
                del self._queues[mailbox_id]
            self._publish()
            first.applicant.conclude_waiting(answer)

    def _try(self, place: WaitingPlace) -> MaildropLock | StoreError | None:
        if any(
            key == place.mailbox_id and since_s < place.since_s
            for key, since_s in self._board.waiters()
        ):
            return None
        try:
            return self._locks.lock_maildrop(place.mailbox_id)
        except StoreError as error:
            return error

    def _publish(self) -> None:
        waiting = [(queue[0].mailbox_id, queue[0].since_s) for queue in self._queues.values()]
        self._board.publish(
            [*waiting, *((key, _NEVER) for key in self._refused_at_s if key not in self._queues)]
        )

    # --- holders ----------------------------------------------------------------------

    def wanted(self) -> set[int]:
        """Mailboxes that somebody waits for, or did a moment ago, here or elsewhere."""
        known = {*self._queues, *self._refused_at_s}
        return known.union(key for key, _ in self._board.waiters())

    def _forget_refused(self) -> None:
        before_s = self._clock_s() - WANTED_S
        over = [key for key, at_s in self._refused_at_s.items() if at_s <= before_s]
        for key in over:
            del self._refused_at_s[key]
        if over:
            self._publish()

    def look(self, holders: Iterable[Holder]) -> None:
        """End the sessions of holders that are wanted and whose network has vanished."""
        self._forget_refused()
        wanted, now_s = self.wanted(), self._clock_s()
        if not wanted:
            self._suspects.clear()
            return
        suspects = [
            one
            for one in holders
            if one.maildrop_id in wanted and one.is_suspect(after_s=self._yield_s)
        ]
        self._suspects = {one: self._suspects.get(one, now_s) for one in suspects}
        for holder, since_s in list(self._suspects.items()):
            if now_s - since_s >= SUSPECT_S:
                del self._suspects[holder]
                holder.abort("vanished, and another sign-in waits for its maildrop")
