"""From a sign-in that was granted to an open maildrop: the lock, the wait for it, the snapshot."""

from __future__ import annotations

from collections.abc import Callable

from mailserver.auth.gate import Granted, is_over
from mailserver.peers.patience import ERROR
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.values.ids import MailboxId
from pop3_store.session.listing import OpenMaildrop
from pop3_store.session.server import Circuit, Server, Tally
from pop3_store.session.signed_in import SignedIn
from pop3_store.session.states import Action, State, WaitForMaildrop
from pop3_store.session.texts import Say, counted_messages


class Entering:
    """This part of a `Session`, which makes all of these."""

    __slots__ = (
        "_applicant",
        "_lock",
        "_maildrop",
        "_next",
        "_signed_in",
        "_waits",
        "identifier",
        "state",
    )

    server: Server
    circuit: Circuit
    tally: Tally
    state: State
    identifier: str
    _applicant: Granted | None
    _lock: MaildropLock | None
    _maildrop: OpenMaildrop | None
    _next: Action | None
    _signed_in: SignedIn | None
    _waits: bool

    def say(self, say: Say) -> None:
        raise NotImplementedError

    def send(self, octets: bytes) -> None:
        raise NotImplementedError

    def spend(self, cost: int) -> None:
        raise NotImplementedError

    def renew_patience(self) -> None:
        raise NotImplementedError

    def unlock(self) -> None:
        raise NotImplementedError

    def _guard(self, act: Callable[[], Action | None]) -> Action | None:
        raise NotImplementedError

    def _refuse(self, say: Say) -> None:
        raise NotImplementedError

    def _note_fault(self, event: str, error: BaseException | None) -> None:
        raise NotImplementedError

    def conclude_waiting(self, lock: MaildropLock | StoreError | None) -> None:
        """The answer to `WaitForMaildrop`.  None: it is still in use."""
        self._waits = False
        granted, self._applicant = self._applicant, None
        if granted is None or self.state is not State.AUTHORIZATION:  # the peer has gone
            if lock is not None and not isinstance(lock, StoreError):
                lock.release()
        elif lock is None:
            self._refuse_in_use(granted.inbox_id)
        else:
            self._guard(lambda: self._enter_late(granted, lock))

    def _enter_late(self, granted: Granted, lock: MaildropLock | StoreError) -> None:
        """Unless the sign-in has ended while it waited."""
        if isinstance(lock, StoreError):
            raise lock
        self._lock = lock
        if is_over(self.server.store.accounts, granted, now_s=self.server.clock()):
            self.unlock()
            self._refuse(Say.SIGNED_OUT)
        else:
            self._open(granted)

    def _enter(self, granted: Granted) -> None:
        """Lock the maildrop, or wait for it."""
        server, mailbox_id = self.server, granted.inbox_id
        if server.is_waited_for is None or not server.is_waited_for(mailbox_id):
            self._lock = server.store.locks.lock_maildrop(mailbox_id)
        if self._lock is not None:
            self._open(granted)
        elif server.lock_wait_s > 0:
            self._applicant = granted
            self._waits, self._next = True, WaitForMaildrop(mailbox_id)
        else:
            self._refuse_in_use(mailbox_id)

    def _refuse_in_use(self, mailbox_id: MailboxId) -> None:
        if self.server.on_in_use is not None:
            self.server.on_in_use(mailbox_id)
        self.tally.in_use_count += 1
        self.say(Say.MAILDROP_IN_USE)
        self.spend(ERROR)

    def _open(self, granted: Granted) -> None:
        """Fix what this session sees of the maildrop, which is locked."""
        store = self.server.store
        drop = OpenMaildrop(store.mail, store.mail.open_maildrop(granted.inbox_id))
        self._maildrop = drop
        self.identifier = granted.identifier
        self._signed_in = SignedIn(store.accounts, granted, now_s=self.server.clock())
        self._note_seen(granted)
        self.state = State.TRANSACTION
        self.renew_patience()
        self.tally.sign_in_count += 1
        self.send(b"+OK %s (%d octets)\r\n" % (counted_messages(drop.count), drop.octets))

    def _note_seen(self, granted: Granted) -> None:
        circuit = self.circuit
        seen = LastSeen(
            door=circuit.door,
            peer=circuit.peer,
            at_s=self.server.clock(),
            by_whom=granted.by_whom,
        )
        try:
            self.server.store.counters.note_seen(granted.account_id, seen)
        except Exception as error:  # noqa: BLE001 - what may be lost must not keep anybody out
            self._note_fault("last log-in not noted", error)
