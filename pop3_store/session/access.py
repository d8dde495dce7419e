"""Who is in, and the maildrop that is theirs: lock, wait, snapshot, what was handed out of it.

A granted sign-in gets the lock, or waits for it where the server lets it wait.  What was granted
may end while the session is open: a new password or a suspension ends it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from enum import Enum, auto

from mailserver.auth.gate import Granted, is_over
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.history import Collection
from mailserver.store.ports.mail import RemovedBy
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.values.ids import AccountId, MailboxId, Uid
from pop3_store.session.listing import Collected, OpenMaildrop
from pop3_store.session.server import Circuit, Server
from pop3_store.session.states import WaitForMaildrop

CHECK_AGAIN_S = 1.0
"""A session ends at its first command after this time, or at QUIT, which deletes."""


class MaildropEntry(Enum):
    """What a granted sign-in came to."""

    OPEN = auto()  # the maildrop is locked, and what this session sees of it fixed
    IN_USE = auto()  # somebody else has it
    OVER = auto()  # what was granted has ended while it waited
    GONE = auto()  # nobody waits any more


class Access:
    """One per session; it alone holds the lock.  on_fault: of what may be lost."""

    __slots__ = (
        "_applicant",
        "_checked_at_s",
        "_circuit",
        "_granted",
        "_lock",
        "_on_fault",
        "_retrieved",
        "_server",
        "maildrop",
    )

    def __init__(
        self, server: Server, circuit: Circuit, on_fault: Callable[[str, BaseException], None]
    ) -> None:
        self.maildrop: OpenMaildrop | None = None
        self._server = server
        self._circuit = circuit
        self._on_fault = on_fault
        self._applicant: Granted | None = None  # waits for a maildrop in use
        self._granted: Granted | None = None  # opened it
        self._checked_at_s = 0.0
        self._lock: MaildropLock | None = None
        self._retrieved: Collected | None = None

    # --- who --------------------------------------------------------------------------

    @property
    def identifier(self) -> str:
        """Whose maildrop it is; empty: nobody has signed in."""
        return "" if self._granted is None else self._granted.identifier

    @property
    def account_id(self) -> AccountId | None:
        """Whose password it was."""
        granted = self._granted
        return None if granted is None else granted.by_account or granted.account_id

    def as_remover(self) -> RemovedBy | None:
        """For what QUIT removes."""
        if self._granted is None:
            return None
        return RemovedBy(self._circuit.door, self._circuit.peer, self._granted.by_whom)

    def has_ended(self, *, is_last: bool) -> bool:
        """What was granted holds no more.  One indexed read, once in a while; is_last: look now."""
        now_s = self._server.clock()
        if self._granted is None or (
            not is_last and 0 <= now_s - self._checked_at_s < CHECK_AGAIN_S
        ):
            return False
        self._checked_at_s = now_s
        return is_over(self._server.store.accounts, self._granted, now_s=now_s)

    # --- the lock ------------------------------------------------------------------------

    @property
    def mailbox_id(self) -> MailboxId | None:
        """Whose lock it has."""
        return None if self.maildrop is None else self.maildrop.maildrop.mailbox_id

    def enter(self, granted: Granted) -> MaildropEntry | WaitForMaildrop:
        """Lock the maildrop, or say that it is to be waited for."""
        server, mailbox_id = self._server, granted.inbox_id
        if server.is_waited_for is None or not server.is_waited_for(mailbox_id):
            self._lock = server.store.locks.lock_maildrop(mailbox_id)
        if self._lock is not None:
            return self._open(granted)
        if server.lock_wait_s > 0:
            self._applicant = granted
            return WaitForMaildrop(mailbox_id)
        return self._in_use(mailbox_id)

    def enter_late(self, lock: MaildropLock | StoreError | None, *, is_gone: bool) -> MaildropEntry:
        """After the wait.  lock: None: it is still in use.  is_gone: the peer has left meanwhile.

        Raises:
            StoreError: the lock could not be asked for.
        """
        granted, self._applicant = self._applicant, None
        if granted is None or is_gone:
            if lock is not None and not isinstance(lock, StoreError):
                lock.release()
            return MaildropEntry.GONE
        if lock is None:
            return self._in_use(granted.inbox_id)
        if isinstance(lock, StoreError):
            raise lock
        self._lock = lock
        if is_over(self._server.store.accounts, granted, now_s=self._server.clock()):
            self.leave()
            return MaildropEntry.OVER
        return self._open(granted)

    def leave(self) -> None:
        """The lock is free; what was handed out of the maildrop is still known."""
        lock, self._lock = self._lock, None
        drop, self.maildrop = self.maildrop, None
        if lock is not None:
            lock.release()
            if drop is not None and self._server.on_unlock is not None:
                self._server.on_unlock(drop.maildrop.mailbox_id)

    def _in_use(self, mailbox_id: MailboxId) -> MaildropEntry:
        if self._server.on_in_use is not None:
            self._server.on_in_use(mailbox_id)
        return MaildropEntry.IN_USE

    def _open(self, granted: Granted) -> MaildropEntry:
        mail = self._server.store.mail
        self.maildrop = OpenMaildrop(mail, mail.open_maildrop(granted.inbox_id))
        self._granted = granted
        self._checked_at_s = self._server.clock()
        self._note_seen(granted)
        return MaildropEntry.OPEN

    def _note_seen(self, granted: Granted) -> None:
        circuit, at_s = self._circuit, self._checked_at_s
        seen = LastSeen(door=circuit.door, peer=circuit.peer, at_s=at_s, by_whom=granted.by_whom)
        try:
            self._server.store.counters.note_seen(granted.account_id, seen)
        except Exception as error:  # noqa: BLE001 - what may be lost must not keep anybody out
            self._on_fault("last log-in not noted", error)

    # --- what was handed out -----------------------------------------------------------

    @property
    def retrieved_count(self) -> int:
        """Messages that were handed out in full."""
        return 0 if self._retrieved is None else len(self._retrieved.uids)

    def note_retrieved(self, uid: Uid) -> None:
        """All octets of this entry are on their way."""
        if self._retrieved is None:
            assert self.maildrop is not None
            circuit = self._circuit
            at = Collection(at_s=self._server.clock(), door=circuit.door, peer=circuit.peer)
            self._retrieved = Collected(self.maildrop.maildrop.mailbox_id, array("Q"), at)
        self._retrieved.uids.append(uid)

    def take_collected(self) -> Collected | None:
        """What this session retrieved, once, at its end; None: nothing."""
        collected, self._retrieved = self._retrieved, None
        return collected
