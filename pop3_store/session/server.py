"""What all sessions of one process share, and a connection as its session sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from mailserver.auth.gate import SignInsStore
from mailserver.peers.notices import Notices
from mailserver.peers.refusals import Refusals
from mailserver.store.ports.mail import Mailboxes
from mailserver.store.ports.shared.locks import MaildropLocks
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.telemetry.log import Log
from mailserver.values.ids import AccountId, MailboxId
from pop3_store.session.texts import Replies


class NotesSeen(Protocol):
    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None: ...


class Maildrops(Protocol):
    """What a session needs of the store."""

    @property
    def mail(self) -> Mailboxes: ...

    @property
    def locks(self) -> MaildropLocks: ...

    @property
    def accounts(self) -> SignInsStore: ...

    @property
    def counters(self) -> NotesSeen: ...


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counters of one process, for `mailserver status`."""

    session_count: int = 0
    sign_in_count: int = 0
    refused_count: int = 0
    in_use_count: int = 0
    retrieved_count: int = 0
    retrieved_octets: int = 0
    top_count: int = 0
    removed_count: int = 0
    fault_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What all sessions of one process share."""

    store: Maildrops
    replies: Replies
    max_failures: int  # refused passwords before the session is closed
    clock: Callable[[], float]  # Unix time in seconds
    on_broken: Callable[[], None]  # the store's disk failed: the process must end
    log: Log
    tally: Tally
    refusals: Refusals = field(default_factory=Refusals)  # why, and of whom most
    lock_wait_s: float = 0.0  # of a sign-in for a maildrop in use; 0: it is refused at once
    # Does somebody wait for it, who is to have it first?
    is_waited_for: Callable[[MailboxId], bool] | None = None
    on_unlock: Callable[[MailboxId], None] | None = None
    on_in_use: Callable[[MailboxId], None] | None = None  # a sign-in was refused for it
    max_errors: int = 20  # refusals in a row before it is closed
    notices: Notices | None = None  # None: every line is written

    def note(self, event: str, *, peer: str, **facts: Any) -> None:
        """What a peer was refused, for the log: so many lines for each block of addresses."""
        if self.notices is None or self.notices.allows(peer):
            self.log.info(event, peer=peer, **facts)


@dataclass(slots=True, kw_only=True)
class Circuit:
    """The connection as the session sees it.  `is_tls` turns true after STLS."""

    session_id: str
    door: str  # the listener's name
    peer: str
    is_tls: bool
    can_start_tls: bool
    is_clear_allowed: bool  # a password without TLS
