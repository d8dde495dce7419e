"""All that `store.counters` answers: throttles, limits, what was seen of late; it may be lost."""

from __future__ import annotations

from typing import Protocol

from mailserver.store.ports.shared.attempts import Attempts, KnownBlocks
from mailserver.store.ports.shared.repeats import Remembers
from mailserver.store.ports.shared.scratch import Scratch
from mailserver.store.ports.shared.sending import SentLedger


class Counters(Scratch, KnownBlocks, Attempts, Remembers, Protocol):
    """Shared by all processes, costs no fsync.  Unreadable: nothing is known, nothing fails."""

    @property
    def sent(self) -> SentLedger: ...
