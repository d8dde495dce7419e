"""Copies that no connection takes: returned, deferred, held, given back; and notes on their hops.

Pure.  A hop without a plan has a failure: why all that is leased of it is settled at
once.  For good, that goes on lease by lease until nothing is left; for now, it
is one lease, and then the hop rests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailserver.store.ports.queue import LeasedCopy
from smtp_relay.delivery.plan import Diverted, Unroutable
from smtp_relay.delivery.schedule.destination import Destination
from smtp_relay.delivery.schedule.orders import Fate, Order, Settle, Trouble, temporary


class Unsent:
    """order: takes what the shell must do."""

    def __init__(self, order: Callable[[Order], None]) -> None:
        self._order = order

    def fail(self, destination: Destination, resolution: Unroutable | Diverted) -> None:
        """Nothing is for good of what only the fall-back relay lacks."""
        if isinstance(resolution, Diverted):
            fate, trouble = Fate.HOLD, Trouble(status="4.7.0", words=resolution.reason)
        elif resolution.is_permanent and not destination.is_detoured:
            fate, trouble = Fate.RETURN, Trouble(status=resolution.status, words=resolution.words)
        else:
            fate, trouble = (
                Fate.DEFER,
                Trouble(status=temporary(resolution.status), words=resolution.words),
            )
        destination.failure, destination.fate = trouble, fate
        self.settle_backlog(destination, fate, trouble)
        if not destination.has_more:
            self._end_failure(destination, trouble)

    def settle_failed(self, destination: Destination, copies: Sequence[LeasedCopy]) -> None:
        """What was just leased."""
        trouble = destination.failure
        self.settle(copies, destination.fate, trouble)
        if trouble is not None and (destination.fate is Fate.DEFER or not destination.has_more):
            self._end_failure(destination, trouble)

    def _end_failure(self, destination: Destination, trouble: Trouble) -> None:
        if destination.fate is Fate.DEFER:
            self.note_failed(destination, trouble)
        else:
            destination.failure = None  # it is resolved again when something new is due

    def settle_backlog(self, destination: Destination, fate: Fate, trouble: Trouble) -> None:
        self.settle(destination.drop_backlog(), fate, trouble)

    def settle(
        self, copies: Sequence[LeasedCopy], fate: Fate, trouble: Trouble | None = None
    ) -> None:
        if copies:
            self._order(Settle(tuple(copies), fate, trouble))

    def note_failed(self, destination: Destination, trouble: Trouble) -> None:
        """The hop rests; nothing of it is leased until its note is on disk."""
        destination.failure_count += 1
        destination.is_noting, destination.has_more, destination.failure = True, False, None
        self._order(destination.note(trouble.error))

    def note_works(self, destination: Destination) -> None:
        destination.failure_count = 0
        self._order(destination.note(""))
