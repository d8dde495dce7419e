"""Mailboxes: what a session sees, what stands in one, what was removed and is not gone yet.

Who sent a message is the account that was authenticated when it was submitted,
as the accept recorded it; a From field is shown and decides nothing.

A removal hides an entry; its row and its body stay until the reclaimer comes:
`store.keep_removed_days` later, sooner where removed messages hold more of
the disk than `store.keep_removed_percent`, or where the disk is short.

An entry that is put back keeps its UID, and its unique-id as well: it is the
same message (RFC 1939 §7).  A program that remembers it does not collect it
again; `as_new` gives it another unique-id, so that every program does.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mailserver.store.ports.bodies import BodyReader
from mailserver.values.ids import AccountId, MailboxId, Uid

MAX_HEADER_OCTETS: Final = 65_536
"""Of one message's header block, for a list: longer ones are cut."""


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


@dataclass(slots=True, kw_only=True)
class StoredMessage:
    """One message as RETR sends it: `lead`, then the body from memory or from `reader`.

    Whoever gets it closes it, and reads it with `bodies.read_body` or `bodies.body_chunks`.
    """

    lead: bytes  # Return-Path, Delivered-To, the rest of our head
    octets: bytes | None  # an inline body
    reader: BodyReader | None  # of a body that is not in memory
    body_octets: int
    dotted_line_count: int
    ends_with_crlf: bool

    @property
    def size_octets(self) -> int:
        return len(self.lead) + self.body_octets

    def close(self) -> None:
        """Close the reader, if there is one.  May be called again."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class Mailboxes(Protocol):
    def open_maildrop(self, mailbox_id: MailboxId) -> Maildrop:
        """One read transaction.  Constant time, whatever the mailbox holds."""
        ...

    def list_maildrop(self, maildrop: Maildrop) -> Listing: ...

    def fetch(self, mailbox_id: MailboxId, uid: Uid) -> StoredMessage | None:
        """None: another door has removed it.  Raises what `ports.bodies` names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message in a mailbox.  header: the header block as received, without our head."""

    uid: Uid
    accepted_at_s: float
    size_octets: int
    submitter: AccountId | None  # None: it came from outside, or from a machine
    submitter_identifier: str  # empty where there is none
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Messages of this account, accepted from `since_s` on and before `until_s`."""

    account_id: AccountId
    since_s: float
    until_s: float | None


class MailboxContents(Protocol):
    def list_items(
        self,
        mailbox_id: MailboxId,
        *,
        before: Uid | None,
        limit: int,
        only: Sequence[Span] | None = None,
    ) -> list[Item]:
        """The latest first, below the UID `before`.

        only: messages that one of these allows; none of them allows nothing.  None: all.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemovedBy:
    """Which door, for whom.  by_whom: the holder who had signed in; empty: the owner."""

    door: str
    peer: str
    by_whom: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedItem:
    item: Item
    removed_at_s: float
    by: RemovedBy | None  # None: it was not written down


@dataclass(frozen=True, slots=True)
class RemovedRoom:
    """What hidden entries take.

    octets: each entry counts with its share: a message that came to many is stored once.
    """

    count: int
    octets: int


class RemovedMail(Protocol):
    def list_removed(
        self, mailbox_id: MailboxId, *, since_s: float, limit: int
    ) -> list[RemovedItem]:
        """What was removed at `since_s` or later, the latest first."""
        ...

    def removed_uids(self, mailbox_id: MailboxId, *, since_s: float) -> list[Uid]:
        """The same, all of it, in order of UID."""
        ...

    def restore_removed(
        self, mailbox_id: MailboxId, uids: Sequence[Uid], *, as_new: bool
    ) -> list[Uid]:
        """Put entries back; durable.  Returns those that were hidden: the others are untouched.

        Whoever calls holds the maildrop's lock: a session that has begun must not see them.
        Where it fails on the way, some slices are back and the others are not.
        """
        ...

    def removed_room(self) -> RemovedRoom:
        """Of all mailboxes together."""
        ...


class Mail(Mailboxes, MailboxContents, RemovedMail, Protocol):
    """All that `store.mail` answers."""
