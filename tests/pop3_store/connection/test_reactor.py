"""The reactor's timers go by the monotonic clock, whatever the machine's one says."""

from __future__ import annotations

import time

from pop3_store.connection.reactor import LeanReactor


def test_a_timer_is_due_by_the_monotonic_clock() -> None:
    """Twisted's own would be due at a Unix time, which comes late or at once where that is set."""
    reactor = LeanReactor()  # type: ignore[no-untyped-call]
    timer = reactor.callLater(3600, lambda: None)
    assert 3590 < timer.getTime() - time.monotonic() <= 3600
    left_s = reactor.timeout()
    assert left_s is not None
    assert 3590 < left_s <= 3600
    timer.cancel()
