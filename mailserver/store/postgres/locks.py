"""The `Locks` port by advisory locks of one session: the server drops them with the connection.

    1 << 56           the turn to write (see `engine`)
    2 << 56 | number  a maildrop
    3 << 56           the keeper's turn
    4 << 56 | number  an agent's slot

A session may take its own lock twice, so what this process holds is noted here,
too: two sessions of one process exclude each other.
"""

from __future__ import annotations

import threading
from itertools import count
from typing import Final

import psycopg

from mailserver.store.postgres.engine import Connected, connect, run, translated
from mailserver.values.ids import MailboxId

MAILDROP: Final = 2 << 56
KEEPER: Final = 3 << 56
SLOT: Final = 4 << 56


class AdvisoryLocks:
    """Locks of one process, over a connection of their own.  Safe to call from any thread."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._guard = threading.Lock()
        self._connection: Connected | None = None
        self._held: set[int] = set()

    def take(self, key: int) -> bool:
        """Without waiting; False: somebody has it, maybe we."""
        with self._guard, translated():
            if key in self._held:
                return False
            connection = self._connected()
            ((is_ours,),) = run(connection, "SELECT pg_try_advisory_lock(?)", (key,))
            if is_ours:
                self._held.add(key)
            return bool(is_ours)

    def release(self, key: int) -> None:
        """May be called again."""
        with self._guard:
            if key not in self._held or self._connection is None:
                return
            self._held.discard(key)
            try:
                run(self._connection, "SELECT pg_advisory_unlock(?)", (key,))
            except psycopg.Error:
                self._connection.close()  # and the server forgets it

    def close(self) -> None:
        with self._guard:
            self._held.clear()
            if self._connection is not None:
                self._connection.close()

    def _connected(self) -> Connected:
        """What was held over a connection that broke is held no more."""
        if self._connection is None or self._connection.closed:
            self._held.clear()
            self._connection = connect(self._conninfo)
        return self._connection


class PostgresMaildropLock:
    __slots__ = ("_key", "_locks")

    def __init__(self, locks: AdvisoryLocks, key: int) -> None:
        self._locks: AdvisoryLocks | None = locks
        self._key = key

    def release(self) -> None:
        locks, self._locks = self._locks, None
        if locks is not None:
            locks.release(self._key)

    def __del__(self) -> None:
        self.release()


class PostgresSlots:
    """The `Slots` of one process."""

    def __init__(self, locks: AdvisoryLocks) -> None:
        self._locks = locks

    def take(self) -> int:
        return next(slot for slot in count() if self._locks.take(SLOT | slot))

    def is_free(self, slot: int) -> bool:
        is_free = self._locks.take(SLOT | slot)
        if is_free:
            self._locks.release(SLOT | slot)
        return is_free

    def leave(self, slot: int) -> None:
        self._locks.release(SLOT | slot)


class PostgresLocks:
    """The `Locks` port."""

    def __init__(self, conninfo: str) -> None:
        self._locks = AdvisoryLocks(conninfo)
        self.slots = PostgresSlots(self._locks)
        self._is_keeper = False

    def lock_maildrop(self, mailbox_id: MailboxId) -> PostgresMaildropLock | None:
        """
        Raises:
            StoreUnavailable: the server does not answer.
        """
        key = MAILDROP | mailbox_id
        return PostgresMaildropLock(self._locks, key) if self._locks.take(key) else None

    def become_keeper(self) -> bool:
        self._is_keeper = self._is_keeper or self._locks.take(KEEPER)
        return self._is_keeper

    def close(self) -> None:
        self._locks.close()
