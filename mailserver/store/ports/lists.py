"""Lists as the store keeps them: what they are, who is in them, posts on their way.

Same rules as `mailserver.store.ports`.  `BeginPost` and `AddCopies` go through
`Writes.apply`, so that they share one fsync with whatever else waits.

    a copy waits for `list:<id>`, an agent leases it
    BeginPost    the message that members get, without copies      once per copy
    AddCopies    a slice of members, and how far we came           cursor (stage, id)
    Settlement   the copy is EXPANDED

Each slice is one transaction with its cursor, and counts only where the cursor
still is where it was read: whoever resumes after a crash, or overtakes, gives
each member one copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final, Protocol

from mailserver.store.ports.operators import Deed
from mailserver.store.ports.people import Life
from mailserver.store.ports.queue import CopyRef
from mailserver.texts.catalogue import Language
from mailserver.values.ids import AccountId, ListId, MailboxId, MessageId
from mailserver.values.message import Acceptance, NewCopy

SLICE_COPIES = 1_000
"""Copies that one transaction adds, so that no turn lasts long."""
MAX_OPEN_WISHES = 1_000
"""Of one list to join, and as many to leave; then the oldest gives way, so nobody is kept out."""


class Posting(Enum):
    """Who may post.  Owners and moderators always may."""

    MEMBERS = "members"
    INSIDE = "inside"  # whoever has an account here
    NAMED = "named"  # the list's posters
    MODERATED = "moderated"  # anybody, once a moderator has said yes
    ANNOUNCE = "announce"  # owners and posters; answers go to the author


class Joining(Enum):
    """Who may subscribe by themselves."""

    CLOSED = "closed"
    INSIDE = "inside"
    ANYONE = "anyone"


class ListRole(Enum):
    OWNER = "owner"
    MODERATOR = "moderator"
    POSTER = "poster"


class Who(Enum):
    """What a rule collects: people by their posts, or the mailboxes of units."""

    PERSON = "person"
    ESTABLISHMENT = "establishment"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingList:
    """prefix: without brackets; empty: subjects stay as they are."""

    list_id: ListId
    address: str
    prefix: str
    description: str
    language: Language
    posting: Posting
    joining: Joining
    is_hidden: bool
    archive_account_id: AccountId | None
    secret: bytes
    created_at_s: float
    has_outside: bool = field(default=False, compare=False)  # members who are no account of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRule:
    """`unit_code` alone, or with all below it; empty function or nature: any, in any case."""

    rule_id: int = 0
    unit_code: str
    is_below: bool = False
    who: Who = Who.PERSON
    function: str = ""
    nature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One by hand.  account_id: None for an address outside.

    stopped_why: `asked`, `by link` or `bounces`; empty while there is mail.
    """

    member_id: int
    account_id: AccountId | None
    address: str  # of the account: its canonical one
    gets_mail: bool
    stopped_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a list knows of one who writes to it."""

    is_member: bool
    roles: frozenset[ListRole]


class Stage(IntEnum):
    """The numbers stand in the database and never change."""

    BY_HAND = 0
    BY_RULE = 1
    DONE = 2


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """after_id: the last member (or account) of this stage that has its copy."""

    stage: Stage
    after_id: int


START = Cursor(Stage.BY_HAND, 0)
DONE = Cursor(Stage.DONE, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One who gets a post.  member_id: None for one by rule, mailbox_id: for one outside.

    used_octets, used_count: of the whole account.
    """

    member_id: int | None
    account_id: AccountId | None
    mailbox_id: MailboxId | None
    address: str
    list_id: ListId | None  # the address is another list's
    life: Life
    forward_to: str
    keeps_copy: bool
    class_name: str = ""
    used_octets: int = 0
    used_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One post on its way."""

    derived_id: MessageId
    cursor: Cursor
    copy_count: int
    reader_count: int  # members who have it; some have two copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A post that waits for a moderator, or did.  verdict: empty, approved, rejected.

    is_queued: False once its copy is final: handed out, or cancelled or returned by an operator.
    """

    ref: CopyRef
    list_id: ListId
    held_at_s: float
    verdict: str
    by_whom: str
    is_queued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an address outside was asked to confirm."""

    list_id: ListId
    address: str
    joins: bool


# --- writes, by `Writes.apply` ------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginPost:
    """The message that members get, without copies.  Outcome: `Accepted`, also where it is there.

    source: the copy that came for the list.  seen: digests of its Message-IDs, to be remembered.
    """

    source: CopyRef
    acceptance: Acceptance
    seen: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCopies:
    """The next slice.  Outcome: `Settled()`; lost: the cursor was elsewhere, nothing was added.

    At most `SLICE_COPIES` copies, for `reader_count` members.  A mailbox that is gone makes it
    `Failed`; one that an earlier slice has put the message into keeps that one entry.
    """

    source: CopyRef
    copies: tuple[NewCopy, ...]
    reader_count: int
    was: Cursor
    now: Cursor
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPost:
    """A post waits for a moderator.  Outcome: `Settled()`; lost: it did already.

    notes: what tells them, accepted in the same transaction.
    """

    source: CopyRef
    list_id: ListId
    token: str  # digest
    notes: tuple[Acceptance, ...]
    at_s: float


# --- reads and small changes ------------------------------------------------------------


SEEN_S: Final = 90 * 86_400.0
"""So long a post's Message-ID is remembered; what we signed before is too old to be brought."""


class ListLookUps(Protocol):
    """What RCPT and reports ask."""

    def find_list(self, address_key: str) -> MailingList | None:
        """By any of its addresses, those of its requests too."""
        ...

    def read_list(self, list_id: ListId) -> MailingList | None: ...

    def standing(
        self, list_id: ListId, *, account_id: AccountId | None, address_key: str
    ) -> Standing:
        """By the account where there is one, else by the address."""
        ...

    def count_waiting(self, list_id: ListId, *, most: int) -> int:
        """Posts that nobody signed in for and that wait for a moderator; at most so many."""
        ...


class Lists(ListLookUps, Protocol):
    def add_list(
        self, which: MailingList, *, addresses: Sequence[str], owner: AccountId
    ) -> MailingList:
        """Make it, with its addresses (where posts go first) and its first owner.

        Raises:
            NameTaken: an address is not free.
        """
        ...

    def change_list(self, which: MailingList) -> None:
        """Everything but its address and its secret."""
        ...

    def delete_list(self, list_id: ListId, *, now_s: float, quarantine_s: float) -> None:
        """Its addresses are nobody's until their quarantine ends."""
        ...

    def all_lists(self) -> list[MailingList]: ...

    # Members

    def add_member(
        self, list_id: ListId, *, account_id: AccountId | None = None, address: str = ""
    ) -> bool:
        """False: a member already; one whose mail had stopped gets mail again."""
        ...

    def add_members(
        self, list_id: ListId, members: Sequence[tuple[AccountId | None, str]]
    ) -> list[bool]:
        """Many at once, accounts or addresses: the answers of `add_member`, in one transaction."""
        ...

    def remove_member(
        self, list_id: ListId, *, account_id: AccountId | None = None, address_key: str = ""
    ) -> bool: ...

    def stop_mail(
        self,
        list_id: ListId,
        why: str,
        *,
        account_id: AccountId | None = None,
        address_key: str = "",
    ) -> None:
        """No mail any more; one who is a member by rule is noted by hand for it."""
        ...

    def leave(
        self,
        list_id: ListId,
        why: str,
        *,
        account_id: AccountId | None = None,
        address_key: str = "",
    ) -> int | None:
        """No member any more; one by rule is noted by hand as getting no mail, and why.

        Returns the number of the row, which is gone or noted.  None: they had left before,
        and nothing is written.
        """
        ...

    def members(self, list_id: ListId, *, after_id: int, limit: int) -> list[Member]: ...

    def find_member(self, member_id: int) -> Member | None: ...

    def member_with(self, list_id: ListId, address_key: str) -> Member | None:
        """One by hand whose address this is, an account's too."""
        ...

    def note_bounce(self, member_id: int, *, now_s: float, within_s: float) -> int:
        """At most one a day counts; returns how many did, of those within the time."""
        ...

    def begin_probe(self, member_id: int, *, now_s: float, within_s: float) -> bool:
        """A member is written to now; what was counted begins anew.  False: it was, lately."""
        ...

    def end_probe(self, member_id: int, *, now_s: float, within_s: float) -> bool:
        """It came back.  False: none is open, or it is too old, or they get no mail."""
        ...

    def rules(self, list_id: ListId) -> list[ListRule]: ...

    def add_rule(self, list_id: ListId, rule: ListRule) -> int: ...

    def remove_rule(self, list_id: ListId, rule_id: int) -> bool: ...

    # Roles

    def with_role(self, list_id: ListId, role: ListRole) -> list[AccountId]: ...

    def give_role(self, list_id: ListId, role: ListRole, account_id: AccountId) -> None: ...

    def take_role(self, list_id: ListId, role: ListRole, account_id: AccountId) -> bool: ...

    # Posts

    def post_progress(self, source: CopyRef) -> Progress | None: ...

    def accounts_by_rule(self, which: MailingList) -> Sequence[int]:
        """Who gets a post and is no member by hand: ascending; the archive's account is in it."""
        ...

    def readers_by_hand(self, list_id: ListId, *, after_id: int, limit: int) -> list[Reader]:
        """Those who get mail, by member."""
        ...

    def readers_of(self, account_ids: Sequence[int]) -> list[Reader]:
        """Those of them that are there, ascending."""
        ...

    # Moderation and confirmation

    def find_hold(self, source: CopyRef) -> Hold | None: ...

    def hold_of_token(self, token: str) -> Hold | None: ...

    def waiting_posts(self, list_id: ListId) -> list[Hold]:
        """Those without a verdict, the oldest first."""
        ...

    def has_seen(self, digest: bytes) -> bool:
        """Was a post with this Message-ID handed out by any list, within `SEEN_S`?"""
        ...

    def decide_hold(self, source: CopyRef, verdict: str, deed: Deed) -> bool:
        """The verdict, and what it does to the copy, at once.

        False: somebody decided before, or it waits no more.
        """
        ...

    def keep_wish(self, token: str, wish: Wish, *, now_s: float, expires_at_s: float) -> bool:
        """False: the same was asked and is open.  One over `MAX_OPEN_WISHES` ends the oldest."""
        ...

    def take_wish(self, token: str, *, now_s: float) -> Wish | None:
        """It is used up."""
        ...
