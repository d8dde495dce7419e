"""The parts of the store that the expander has."""

from __future__ import annotations

from typing import Protocol

from mailserver.store.ports.lists import Lists
from mailserver.store.ports.queue import QueuedMessage
from mailserver.store.ports.shared.repeats import Remembers
from mailserver.store.ports.targets import Target
from mailserver.values.ids import MessageId
from smtp_relay.delivery.lists.budgets import CountAct


class OpensQueued(Protocol):
    def open_queued(
        self, message_id: MessageId, /, *, without_body: bool = False
    ) -> QueuedMessage | None: ...


class FindsTarget(Protocol):
    def find_target(self, address_key: str, /) -> Target | None: ...


class CountsActs(Remembers, Protocol):
    @property
    def count_act(self) -> CountAct: ...


class ExpanderStore(Protocol):
    """What expansion asks of the store."""

    @property
    def lists(self) -> Lists: ...

    @property
    def queue(self) -> OpensQueued: ...

    @property
    def people(self) -> FindsTarget: ...

    @property
    def counters(self) -> CountsActs: ...
