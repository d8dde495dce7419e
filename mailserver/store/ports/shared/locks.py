"""What one process holds and drops when it dies, however it dies: no lease, no durable row.

A maildrop while a session has it, an agent's slot, the keeper's turn.  Leases of copies are
another thing: they are rows, and outlive who holds them (`mailserver.store.ports.queue`).
"""

from __future__ import annotations

from typing import Protocol

from mailserver.values.ids import MailboxId


class MaildropLock(Protocol):
    """The exclusive right to one maildrop; dies with the process that holds it."""

    def release(self) -> None:
        """May be called again."""
        ...


class Slots(Protocol):
    """Places for agents; each is held by one process, and free when that is dead."""

    def take(self) -> int:
        """The number of a place that was free."""
        ...

    def is_free(self, slot: int) -> bool:
        """Is whoever had it dead?  Our own are not."""
        ...

    def leave(self, slot: int) -> None: ...


class MaildropLocks(Protocol):
    def lock_maildrop(self, mailbox_id: MailboxId) -> MaildropLock | None:
        """Take the lock without waiting; None: another session has it."""
        ...


class KeepersTurn(Protocol):
    def become_keeper(self) -> bool:
        """True: this process is the keeper until it ends.  False: another one is."""
        ...


class Locks(MaildropLocks, KeepersTurn, Protocol):
    @property
    def slots(self) -> Slots: ...
