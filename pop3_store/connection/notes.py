"""What may be lost, written down off the loop: which entries a session collected.

One thread, started at first need; a bounded queue, and what does not fit is
forgotten: a note is never worth a wait.
"""

from __future__ import annotations

import queue
import threading
from typing import Final, Protocol

from mailserver.store.ports.history import Collections
from mailserver.telemetry.log import Log
from pop3_store.session.listing import Collected

MAX_WAITING: Final = 1_000
STOP_S: Final = 5.0


class Notebook(Protocol):
    def note(self, collected: Collected) -> None:
        """Write it down soon.  Never waits, never raises."""
        ...


class NoteThread:
    """The `Notebook` of a worker."""

    def __init__(self, store: Collections, *, log: Log) -> None:
        self._store = store
        self._log = log
        self._waiting: queue.Queue[Collected | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None

    def note(self, collected: Collected) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pop3-notes", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(collected)
        except queue.Full:
            self._log.warning("too many notes wait: what a session collected is not noted")

    def stop(self) -> None:
        """Write what waits, if it does not take long."""
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=STOP_S)
        except queue.Full:
            return
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while (collected := self._waiting.get()) is not None:
            try:
                self._store.note_collected(
                    collected.mailbox_id, collected.uids, collected.collection
                )
            except Exception as error:  # noqa: BLE001 - the top of a thread
                self._log.warning("what a session collected is not noted", error=str(error))
