"""One next hop as the dispatcher sees it: what it holds, and how much more it should lease.

Pure.  `appetite` is how many copies should be at hand: twice the links at
first, twice as many each time that a link had nothing to do while a lease was
on its way, and half when what was leased lasted over `LASTING_S`.  So a fast
destination never starves and a slow one holds little.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from mailserver.store.ports.queue import LeasedCopy
from mailserver.values.ids import DestinationId
from smtp_relay.delivery.schedule.orders import Bundle, Fate, Note, Trouble

if TYPE_CHECKING:
    from smtp_relay.delivery.schedule.site import Site

LEASE_COPIES: Final = 100
"""A lease takes at most so many copies of one destination; some of them share a turn."""
MAX_APPETITE: Final = 1000
LASTING_S: Final = 2.0


@dataclass(slots=True, eq=False)
class Destination:
    """
    has_more: something is due in the store that nobody has leased.
    has_plenty: the last lease was full, and more is due.
    asked: the limits of the leases that are on their way, in order.
    flying_count: copies on links.
    doom, fate: why all that is leased is settled at once, and how.
    is_noting: its hop has failed and the note is on its way to the disk.
    is_branch: it holds what goes on to further hosts only (`schedule.onward`).
    """

    destination_id: DestinationId
    next_hop: str
    failure_count: int
    has_more: bool = True
    site: Site | None = None
    way_until_s: float = 0.0
    is_resolving: bool = False
    is_detoured: bool = False
    asked: deque[int] = field(default_factory=deque)
    has_plenty: bool = False
    is_noting: bool = False
    is_branch: bool = False
    doom: Trouble | None = None
    fate: Fate = Fate.DEFER
    backlog: deque[Bundle] = field(default_factory=deque)
    backlog_copies: int = 0
    flying_count: int = 0
    appetite: int = 0
    leased_at_s: float = 0.0

    @property
    def is_leasing(self) -> bool:
        return bool(self.asked)

    @property
    def is_quiet(self) -> bool:
        """Nothing of it is here, nothing is on its way."""
        return not (
            self.has_more
            or self.backlog
            or self.flying_count
            or self.is_leasing
            or self.is_resolving
            or self.is_noting
        )

    @property
    def may_detour(self) -> bool:
        """By the fall-back relay; a route is somebody's wish."""
        is_route = self.next_hop.startswith("route:")
        return not is_route and not self.is_detoured and not self.is_noting

    def note(self, error: str) -> Note:
        return Note(self.destination_id, self.next_hop, self.failure_count, error)

    def lease_limit(self, width: int) -> int:
        """How many to ask for now, more than one lease only of plenty; 0: enough is at hand."""
        least = 2 * width
        self.appetite = max(least, min(self.appetite, MAX_APPETITE))
        if self.backlog_copies * 2 > self.appetite:
            return 0
        wanted = self.appetite - self.backlog_copies
        return wanted if self.has_plenty else min(LEASE_COPIES, wanted)

    def starve(self) -> None:
        """A link had nothing to do while more was due: be earlier next time."""
        self.appetite = min(2 * self.appetite, MAX_APPETITE)

    def slow_down(self, now_s: float) -> None:
        if now_s - self.leased_at_s > LASTING_S:
            self.appetite //= 2
        self.leased_at_s = now_s

    def take_in(self, bundles: Sequence[Bundle]) -> None:
        self.backlog.extend(bundles)
        self.backlog_copies += sum(len(bundle.copies) for bundle in bundles)

    def put_back(self, bundle: Bundle) -> None:
        """What a lost link had not touched goes first."""
        self.backlog.appendleft(bundle)
        self.backlog_copies += len(bundle.copies)

    def take_out(self, max_recipients: int) -> Bundle:
        """The next one, or as much of it as goes in one transaction."""
        bundle = self.backlog.popleft()
        if len(bundle.copies) > max_recipients:
            rest = replace(bundle, copies=bundle.copies[max_recipients:])
            self.backlog.appendleft(rest)
            bundle = replace(bundle, copies=bundle.copies[:max_recipients])
        self.backlog_copies -= len(bundle.copies)
        return bundle

    def drop_backlog(self) -> list[LeasedCopy]:
        copies = [copy for bundle in self.backlog for copy in bundle.copies]
        self.backlog.clear()
        self.backlog_copies = 0
        return copies


def make_bundles(
    destination_id: DestinationId, copies: Sequence[LeasedCopy], max_recipients: int
) -> Iterator[Bundle]:
    """Copies of one message and sender that stand together, `max_recipients` at most."""
    start = 0
    while start < len(copies):
        message_id = copies[start].ref.message_id
        end = start + 1
        while (
            end < len(copies)
            and end - start < max_recipients
            and copies[end].ref.message_id == message_id
            and copies[end].sender == copies[start].sender
        ):
            end += 1
        yield Bundle(destination_id, message_id, tuple(copies[start:end]))
        start = end
