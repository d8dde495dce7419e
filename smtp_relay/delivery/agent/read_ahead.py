"""Messages that connections will want next, read many at a time.

A look into the store costs nearly the same for one small message as for many.
So what was leased is remembered in its order, and whoever opens a message gets
the next ones read along with it.  Large ones are opened when they are given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from mailserver.store.ports.queue import QueuedMessage
from mailserver.values.ids import MessageId

READ_COUNT: Final = 32
KEPT_COUNT: Final = 2 * READ_COUNT
"""With bodies of at most `SMALL_OCTETS`: 2 MiB."""
EXPECTED_COUNT: Final = 4096


class Messages(Protocol):
    """What this asks of the store."""

    def open_queued(self, message_id: MessageId, /) -> QueuedMessage | None: ...

    def read_small(self, message_ids: Sequence[MessageId]) -> list[QueuedMessage]: ...


class ReadAhead:
    """Of one agent, on its loop."""

    def __init__(self, store: Messages) -> None:
        self._store = store
        self._expected: deque[MessageId] = deque(maxlen=EXPECTED_COUNT)
        self._read: dict[MessageId, QueuedMessage] = {}

    def expect(self, message_ids: Iterable[MessageId]) -> None:
        """They were leased, and will be opened in about this order; or never."""
        for message_id in message_ids:
            if not self._expected or self._expected[-1] != message_id:
                self._expected.append(message_id)

    def open(self, message_id: MessageId) -> QueuedMessage | None:
        """As `Queue.open_queued`: each caller gets a message of its own.

        Raises:
            StoreError: the store cannot be read.
        """
        if message_id not in self._read:
            self._read_on(message_id)
        found = self._read.pop(message_id, None)
        return self._store.open_queued(message_id) if found is None else found

    def _read_on(self, message_id: MessageId) -> None:
        """This one, and some that are expected."""
        wanted = {message_id: None}
        while self._expected and len(wanted) < READ_COUNT:
            wanted[self._expected.popleft()] = None
        for message in self._store.read_small(list(wanted)):
            self._read[message.message_id] = message
        while len(self._read) > KEPT_COUNT:
            del self._read[next(iter(self._read))]
