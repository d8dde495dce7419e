"""The store as the rest of the hall and the doors see it: small abilities.

Every call blocks, and returns values or octets, never a cursor: no statement,
transaction or file handle of the database stays open when a call has
returned.  Reads are short and may run on a loop's own thread.  `Writes.apply`
waits for the disk and belongs to a writer thread (`mailserver.store.commit`).

What is durable: when `apply`, or any change in `Directory`, has returned, its
result survives a power cut.  `Scratch` promises nothing.

Errors, for every call:
    StoreUnavailable: our fault, temporary (451, [SYS/TEMP]); try again later.
    StoreBroken: an I/O or fsync error; the process answers as ours and exits.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mailserver.store.attempts import Attempts, KnownBlocks
from mailserver.store.backups import Backups
from mailserver.store.contents import MailboxContents, StoredMessage
from mailserver.store.journeys import Collections, Journeys
from mailserver.store.kinds import Kinds
from mailserver.store.lists import AddCopies, BeginPost, HoldPost, Lists
from mailserver.store.people import Life, People
from mailserver.store.policies import Policies
from mailserver.store.queueing import HopNote, Lease, Leased, Queue, ReportMade, Settled, Settlement
from mailserver.store.recovery import FirstPasswords, Recovery
from mailserver.store.removed import RemovedBy, RemovedMail
from mailserver.store.repeats import Remembers
from mailserver.store.room import DiskRoom
from mailserver.store.sending import SentLedger
from mailserver.store.upkeep import Upkeep
from mailserver.values.ids import AcceptId, AccountId, MailboxId, MessageId, Uid
from mailserver.values.message import Acceptance, FiledBody


class StoreError(Exception):
    """Base of what the store raises.  The text is for our log, never for a peer."""


class StoreUnavailable(StoreError):
    """The store cannot answer now; the same call may succeed later."""


class StoreFull(StoreUnavailable):
    """There is no room on the disk."""


class StoreBroken(StoreError):
    """The disk failed us; nothing that this process believes is safe to act on."""


class NameTaken(StoreError):
    """An identifier or address belongs to somebody, or is kept for who had it.

    `name` says which; the text also says whose, and until when.
    """

    def __init__(self, name: str, words: str = "") -> None:
        super().__init__(words or f"{name} is already taken")
        self.name = name


# --- accepting and removing -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one complete QUIT asks: these entries leave this mailbox."""

    mailbox_id: MailboxId
    uids: tuple[Uid, ...]
    removed_at_s: float
    by: RemovedBy | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """On disk: the message and all its copies."""

    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Removed:
    """On disk: `count` entries are gone; those that were gone before are not counted."""

    count: int


@dataclass(frozen=True, slots=True)
class Failed:
    """This write alone is not in the store, nothing of it is.  `error` is for the log.

    A `StoreBroken` in it: what the disk holds is not known; answer as ours, then exit.
    """

    error: BaseException


Write = (
    Acceptance
    | Removal
    | Lease
    | Settlement
    | ReportMade
    | HopNote
    | BeginPost
    | AddCopies
    | HoldPost
)
Outcome = Accepted | Removed | Leased | Settled | Failed


class Writes(Protocol):
    """The one door for what must survive."""

    def apply(self, batch: Sequence[Write]) -> list[Outcome]:
        """Commit the batch with one fsync; outcomes in the order of the batch.

        A write that cannot be applied fails alone: the others of its batch are
        tried again one by one.  Where the disk breaks on the way, what was on
        disk before stays Accepted, and the rest is Failed(StoreBroken).
        """
        ...

    def apply_waiting(self, take: Callable[[], Sequence[Write]]) -> list[Outcome]:
        """`apply` for what `take` returns, which is called once it is this process's turn.

        What arrives while others commit joins the batch: no added wait, fewer fsyncs.
        """
        ...

    def find_accepted(self, accept_id: AcceptId) -> MessageId | None:
        """Look up an accept whose commit had no clear end.  Only recent ones are searched."""
        ...


# --- bodies -----------------------------------------------------------------


class Spool(Protocol):
    """One large body on its way to disk.  Used by one thread at a time."""

    def write(self, octets: bytes) -> None:
        """Append.  Not durable yet."""
        ...

    def commit(self) -> FiledBody:
        """fsync, rename to the final name, fsync the directory."""
        ...

    def discard(self) -> None:
        """Forget it.  Harmless after `commit`: the reclaimer sweeps what no row names."""
        ...


class Bodies(Protocol):
    """Bodies over the inline threshold, each a file."""

    def open_spool(self) -> Spool: ...

    def disk_room(self) -> DiskRoom:
        """On the file system that holds the store, and inside of it."""
        ...


# --- mailboxes --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Maildrop:
    """A mailbox as one POP3 session sees it from PASS to QUIT (RFC 1939 §4).

    `next_uid` and `modseq` fix the set: entries below the one that were not
    removed before the other.  The listing may be read later and is the same,
    whatever other doors add or remove meanwhile.
    """

    mailbox_id: MailboxId
    count: int
    octets: int
    next_uid: int
    modseq: int
    epoch: str  # of the mailbox; begins its unique-ids (`mailserver.values.unique_ids`)


@dataclass(frozen=True, slots=True)
class Listing:
    """The maildrop's entries in order: parallel arrays of typecode 'Q', 24 octets a message."""

    uids: array[int]
    sizes_octets: array[int]  # what RETR sends, before dot-stuffing
    nonces: array[int]  # 0: an entry without one; see `mailserver.values.unique_ids`

    def __len__(self) -> int:
        return len(self.uids)


class MaildropLock(Protocol):
    """The exclusive right to one maildrop; dies with the process that holds it."""

    def release(self) -> None:
        """May be called again."""
        ...


class Mailboxes(Protocol):
    def lock_maildrop(self, mailbox_id: MailboxId) -> MaildropLock | None:
        """Take the lock without waiting; None: another session has it."""
        ...

    def open_maildrop(self, mailbox_id: MailboxId) -> Maildrop:
        """One read transaction.  Constant time, whatever the mailbox holds."""
        ...

    def list_maildrop(self, maildrop: Maildrop) -> Listing: ...

    def fetch(self, mailbox_id: MailboxId, uid: Uid) -> StoredMessage | None:
        """None: another door has removed it.  Raises the errors of `body_faults`."""
        ...


# --- people -----------------------------------------------------------------


class AccountState(Enum):
    ACTIVE = "active"
    SUSPENDED = "suspended"  # may not sign in; mail is still deposited


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    account_id: AccountId
    identifier: str
    name: str
    state: AccountState
    inbox_id: MailboxId
    created_at_s: float
    addresses: tuple[str, ...] = field(default=())  # as given; the first is the canonical one
    life: Life = Life.PRESENT
    life_since_s: float | None = None
    life_until_s: float | None = None  # when its next step is due


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The verifiers of one account, written together when the password is set."""

    account_id: AccountId
    version: int  # grows with every change of password or state
    state: AccountState
    verifier: str | None  # passlib's modular crypt form; None: no password was set yet
    must_change: bool
    must_change_by_s: float | None = None  # mail programs sign in until then; None: not begun


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What a log-in needs to know.

    A holder signs in to another account's mailbox: then `credential` is the
    holder's, the rest the mailbox's.
    """

    account_id: AccountId
    identifier: str
    inbox_id: MailboxId
    credential: Credential
    by_whom: str = ""  # the holder's identifier


class Directory(Protocol):
    def find_mailbox(self, address_key: str) -> MailboxId | None:
        """Where an address deposits; `address_key` is `Address.key`.

        None for a list's, and for that of somebody who is gone.
        """
        ...

    def find_sign_in(self, user_name_key: str) -> SignIn | None:
        """By identifier or any address of the account, both folded."""
        ...

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool:
        """May the first sign in to the second's mailbox?  A relation of a holder is in force."""
        ...

    def owns_address(self, account_id: AccountId, address_key: str) -> bool: ...

    def spelling_of(self, address_key: str) -> str:
        """The address as it was given; empty: nobody has it."""
        ...

    def find_account(self, identifier: str) -> Account | None: ...

    def list_accounts(self) -> Iterator[Account]:
        """All accounts by identifier, read in slices."""
        ...

    def count_accounts(self) -> int: ...

    def add_account(
        self, *, identifier: str, name: str, addresses: Sequence[str], now_s: float
    ) -> Account:
        """Create the account, its INBOX and its addresses, in one transaction.

        Raises:
            NameTaken: the identifier or an address is not free.
        """
        ...

    def add_address(self, account_id: AccountId, address: str, *, now_s: float) -> None:
        """Give the account another address (an alias).

        Raises:
            NameTaken: it is not free.
        """
        ...

    def set_state(self, account_id: AccountId, state: AccountState) -> None:
        """Change the state and the credential's version together."""
        ...

    def delete_account(self, account_id: AccountId, *, now_s: float) -> None:
        """For good: mail goes in slices, by the reclaimer.

        Its names lead nowhere at once, and are nobody's until their quarantine
        is over, which the store was opened with.
        """
        ...


class Credentials(Protocol):
    def read_credential(self, account_id: AccountId) -> Credential | None: ...

    def write_credential(
        self, account_id: AccountId, *, verifier: str, must_change: bool
    ) -> Credential:
        """Set the verifier; the version grows, so every cached log-in ends."""
        ...

    def replace_verifier(self, account_id: AccountId, *, version: int, verifier: str) -> None:
        """Re-hash of the same password: keeps the version; does nothing if it has moved on."""
        ...


# --- what may be lost ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """The latest log-in of an account at one listener."""

    door: str
    peer: str
    at_s: float
    by_whom: str = ""  # the holder who signed in as themselves


class Scratch(Protocol):
    """Shared by all processes, costs no fsync, recreated when unreadable."""

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        """Was this digest kept within its lifetime?  Using it lets the time slide."""
        ...

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None: ...

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None: ...

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]: ...

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        """A process tells its counters, for `mailserver status`."""
        ...

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        """source -> (when it reported, its counters)."""
        ...


class Store(
    Writes,
    Queue,
    Bodies,
    Mailboxes,
    MailboxContents,
    RemovedMail,
    Journeys,
    Directory,
    Credentials,
    Policies,
    Scratch,
    KnownBlocks,
    Attempts,
    Recovery,
    FirstPasswords,
    People,
    Kinds,
    Collections,
    Upkeep,
    Remembers,
    Protocol,
):
    """All of it.  Open one per process, after the fork; doors ask for less."""

    @property
    def sent(self) -> SentLedger: ...

    @property
    def lists(self) -> Lists: ...

    @property
    def backups(self) -> Backups: ...

    def close(self) -> None: ...
