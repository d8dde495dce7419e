"""People as the store keeps them: units, accounts, posts, relations, given names, history.

Same rules as `mailserver.store.ports`: every call blocks and returns values; a
change is durable when its call has returned.  The state of one subject (a
unit, an account) is one frozen document (`imports` applies and
undoes many of them).

Names: every identifier and address that was ever given has a row.  A released
one stays its account's for the quarantine and is nobody's else; homonyms'
numbers only grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mailserver.values.ids import AccountId, UnitId


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


class Kinds(Protocol):
    def set_kind(self, account_id: AccountId, kind: Kind) -> None:
        """Say what the account stands for; nothing else changes."""
        ...

    def name_over(self, relation: Relation) -> str:
        """The identifier or the code of what the relation is over; empty: gone for good."""
        ...
