"""People as the store keeps them: units, accounts, posts, relations, given names, history.

Same rules as `mailserver.store.ports`: every call blocks and returns values; a
change is durable when its call has returned.  The state of one subject (a
unit, an account) is one frozen document; an import is a list of (before,
after) documents, applied and undone through the same call.

Names: every identifier and address that was ever given has a row.  A released
one stays its account's for the quarantine and is nobody's else; homonyms'
numbers only grow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mailserver.store.usage import Usage
from mailserver.values.ids import AccountId, ListId, MailboxId, UnitId


class Kind(Enum):
    """What an account stands for."""

    PERSON = "person"
    ESTABLISHMENT = "establishment"
    FUNCTION = "function"  # a role or a service, with named holders


class Life(Enum):
    """Where a person is in the organisation, and what that does to mail.

    | life     | signs in | gets mail                       | at its date becomes |
    | -------- | -------- | ------------------------------- | ------------------- |
    | expected | no       | no                              | present             |
    | present  | yes      | yes                             | -                   |
    | on_leave | yes      | yes                             | present             |
    | leaving  | yes      | yes                             | left                |
    | left     | no       | forwarded if asked, else refused| gone                |
    | gone     | no       | refused; names in quarantine    | -                   |
    """

    EXPECTED = "expected"
    PRESENT = "present"
    ON_LEAVE = "on_leave"
    LEAVING = "leaving"
    LEFT = "left"
    GONE = "gone"


@dataclass(frozen=True, slots=True, order=True)
class PostDoc:
    unit_code: str
    function: str
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDoc:
    """All that an import says of one person, and what was decided for them.

    source_key: how the import knows the person again: its own id, else a keyed
        digest of the NUMEN under a label of its own; never the NUMEN.  Empty: made
        by hand, and no import touches them.
    addresses: as given, the canonical one first.
    posts, correspondent_of: kept sorted, each once, whatever the order given.
    """

    source_key: str
    identifier: str
    given_name: str
    surname: str
    addresses: tuple[str, ...]
    class_name: str = ""
    language: str = ""
    life: Life = Life.PRESENT
    life_until_s: float | None = None
    is_hidden: bool = False
    telephone: str = ""
    posts: tuple[PostDoc, ...] = ()
    correspondent_of: tuple[str, ...] = ()  # codes of units

    def __post_init__(self) -> None:
        object.__setattr__(self, "posts", tuple(sorted(set(self.posts))))
        units = tuple(sorted(set(self.correspondent_of)))
        object.__setattr__(self, "correspondent_of", units)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDoc:
    """A node of the tree, and the mailbox that an establishment has.

    code, parent_code: folded, as 0170705z.
    identifier, addresses: of its account, which is made and kept by this
        document; both empty where it has none.
    """

    code: str
    kind: str
    name: str
    nature: str = ""
    parent_code: str = ""
    street: str = ""
    postcode: str = ""
    town: str = ""
    telephone: str = ""
    web_site: str = ""
    is_hidden: bool = False
    is_closed: bool = False
    identifier: str = ""
    addresses: tuple[str, ...] = ()


Doc = PersonDoc | UnitDoc


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """before: None: not there yet (or gone).  after: None: it goes (undo of a creation).

    A person who goes keeps account, mailbox and history; the names go into
    quarantine.  A later change with the same source key brings the account back.

    verifier: of the first password of an account that is made, or that has
        none; never read back.
    reasons: in words, for the plan.
    homonyms: (base_key, number) of each name that was numbered for this
        change, 1 for the one without a digit.  The counters only grow.
    """

    before: Doc | None
    after: Doc | None
    verifier: str | None = None
    reasons: tuple[str, ...] = ()
    homonyms: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """The change was not made: the subject is not what `before` says, or a name is not free."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    run_id: int
    at_s: float
    by_whom: str
    digest: str
    state: str  # applying, applied, undoing, undone
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account as the directory shows it."""

    account_id: AccountId
    kind: Kind
    identifier: str
    given_name: str
    surname: str
    name: str
    address: str  # the canonical one, or empty
    life: Life
    is_hidden: bool
    telephone: str
    posts: tuple[PostDoc, ...]
    language: str = ""  # fr, en; empty: the service's


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    unit_id: UnitId
    doc: UnitDoc
    account_id: AccountId | None
    child_count: int
    people_count: int


class RelationKind(Enum):
    HOLDER = "holder"  # signs in to a mailbox as themselves
    CORRESPONDENT = "correspondent"  # answers for a unit: codes, releases
    MANAGER = "manager"  # management correspondent of a person or a unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    relation_id: int
    kind: RelationKind
    account_id: AccountId
    identifier: str
    of_account: AccountId | None
    of_unit: UnitId | None
    since_s: float
    until_s: float | None

    def holds_at(self, now_s: float) -> bool:
        return self.since_s <= now_s and (self.until_s is None or now_s < self.until_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an account's history.  `details` is for people and never holds a secret."""

    at_s: float
    by_whom: str
    what: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Every field that is set must match; words are folded and match beginnings of words.

    with_hidden: as an administrator sees it: the liste rouge, and people who
        have not come yet or have left.  Nobody sees those who are gone.
    """

    name: str = ""
    unit_code: str = ""  # that unit and all below it
    town: str = ""
    function: str = ""
    with_hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an address of ours leads, with all that RCPT must know, from one read.

    The octets and the count are of the whole account.
    """

    mailbox_id: MailboxId | None
    list_id: ListId | None
    account_id: AccountId | None
    class_name: str
    used_octets: int
    used_count: int
    life: Life
    forward_to: str
    keeps_copy: bool
    shows_forward: bool = False  # may senders read where to?


class Names(Protocol):
    def who_had(self, name_key: str, *, now_s: float) -> AccountId | None:
        """Whose an identifier or address is, or was within its quarantine; None: free."""
        ...

    def last_homonym(self, base_key: str) -> int:
        """The last number given for this base; 0: none was."""
        ...

    def given_to(self, subject: Doc, *, now_s: float) -> list[str]:
        """Keys of the names of its account, and of those in quarantine; the oldest first.

        An import's person (or a unit), there or gone.
        """
        ...


class People(Names, Protocol):
    # Imports

    def read_subjects(self, kind: type[Doc]) -> Iterator[Doc]:
        """Every person (or unit) that an import made and that is not gone, in slices.

        Units: by code.  People: as they were made.
        """
        ...

    def read_person(self, source_key: str) -> PersonDoc | None:
        """One who is gone too, with life GONE and the names they had."""
        ...

    def read_unit(self, code: str) -> UnitDoc | None: ...

    def begin_import(self, *, by_whom: str, digest: str, total: int, now_s: float) -> ImportRun:
        """The unfinished run with this digest if there is one, so that an apply resumes."""
        ...

    def apply_changes(
        self, run_id: int, changes: Sequence[Change], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        """The next slice of the run, one transaction: subjects, names, events, progress.

        Conflicts are counted as done, and are not taken back by an undo.

        Raises:
            StoreUnavailable: there is no such run, or it is not being applied.
        """
        ...

    def end_import(self, run_id: int) -> None:
        """All is in (applied), or all was taken back (undone)."""
        ...

    def last_import(self) -> ImportRun | None:
        """The latest that was not undone: what an undo takes back, or goes on taking back."""
        ...

    def list_imports(self) -> list[ImportRun]:
        """Every run, the latest first."""
        ...

    def begin_undo(self, run_id: int) -> list[ImportRun]:
        """This run is being taken back from now on; `end_import` says that all of it was.

        Returns the later runs of which something is in, the latest first: then nothing was done.

        Raises:
            StoreUnavailable: there is no such run, or it was taken back before.
        """
        ...

    def read_changes(self, run_id: int, *, after: int, limit: int) -> list[tuple[int, Change]]:
        """(number, change) of what is in and was not undone; numbers above `after`, ascending.

        The first number is 1.
        """
        ...

    def undo_changes(
        self, run_id: int, numbers: Sequence[int], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        """Take these changes back, one transaction; numbers in the order to undo: the last first.

        Those that make a conflict are left as they are, and are not offered again.
        """
        ...

    # One at a time

    def find_doc(self, identifier: str) -> PersonDoc | None:
        """A living person's document; `source_key` is empty where no import made them."""
        ...

    def put(
        self, change: Change, *, by_whom: str, now_s: float, quarantine_s: float
    ) -> Conflict | None:
        """A change outside of any import: the command line, later the webmail.

        A person with an empty `source_key` is known by the identifier in `before`.
        """
        ...

    def due_lives(self, *, now_s: float, limit: int) -> list[PersonDoc]:
        """Those whose next step of life has come."""
        ...

    # The directory

    def find_unit(self, code: str) -> Unit | None: ...

    def child_units(self, code: str | None) -> list[Unit]:
        """None: the roots.  By name."""
        ...

    def search_people(self, which: Search, *, after: str, limit: int) -> list[Person]:
        """By name.  after: identifier of the last one that was shown; empty: from the start."""
        ...

    def search_units(self, which: Search, *, after: str, limit: int) -> list[Unit]:
        """By name.  after: code of the last one that was shown; empty: from the start."""
        ...

    def find_person(self, identifier: str) -> Person | None: ...

    # Relations

    def relate(
        self,
        kind: RelationKind,
        account_id: AccountId,
        *,
        of_account: AccountId | None = None,
        of_unit: UnitId | None = None,
        since_s: float,
        until_s: float | None = None,
    ) -> Relation: ...

    def end_relation(self, relation_id: int, *, at_s: float) -> None: ...

    def relations_of(self, account_id: AccountId) -> list[Relation]:
        """What this account may, might and may yet: ask each whether it holds."""
        ...

    def relations_over(
        self, *, account_id: AccountId | None = None, unit_id: UnitId | None = None
    ) -> list[Relation]: ...

    def is_below(self, unit_id: UnitId, ancestor: UnitId) -> bool:
        """Is it that unit, or one under it?"""
        ...

    # History

    def note(self, account_id: AccountId, event: Event) -> None: ...

    def history(self, account_id: AccountId, *, limit: int) -> list[Event]:
        """The latest first."""
        ...

    # RCPT

    def find_target(self, address_key: str) -> Target | None: ...

    def read_class(self, account_id: AccountId) -> str:
        """Of its quota and its sending limits; empty: the default one."""
        ...

    def answerable_for(self, identifier: str, *, now_s: float) -> list[str]:
        """Identifiers of those, other than itself, who are correspondents of its units now.

        Its units: where it has a post, or whose own mailbox it is.  Where none
        of them has one who may sign in: those of the nearest units above.
        """
        ...

    def list_usage(self) -> Iterator[Usage]:
        """Every account by identifier, read in slices."""
        ...

    # Forwarding

    def read_forward(self, account_id: AccountId) -> tuple[str, bool, bool]:
        """(where to, or empty; does a copy stay?; may senders read where to?)."""
        ...

    def set_forward(
        self,
        account_id: AccountId,
        to: str,
        *,
        keeps_copy: bool,
        is_shown: bool = False,
        by_whom: str,
        now_s: float,
    ) -> None:
        """The account and its history, in one transaction.  Empty: no more.

        is_shown: reports to senders may name it.
        """
        ...
