"""Letters to hand out: who gets a page, in which pile, whom to call, what it says of passwords.

A pile is a unit with a cover sheet and one page per account.  A person with
several posts is in the first one's pile.  The first password of a person is
their NUMEN, which is written nowhere and so on no page.  An establishment that
has not chosen a password gets a new one-time password here: it is made, kept
as a verifier, printed, and forgotten; an earlier paper stops to be good.  One that
signed in with it keeps it, unless another one is asked for.

Whom to call: the correspondents of the unit, else those of the nearest unit above that
has some; never the person whose page it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

from mailserver.store.ports.accounts import Credential
from mailserver.store.ports.people import (
    Event,
    Kind,
    Life,
    Person,
    Relation,
    RelationKind,
    Search,
    Unit,
    UnitDoc,
)
from mailserver.values.ids import AccountId, UnitId
from mailserver.values.secret import Secret
from mailserver.values.text.printed import print_groups

_SLICE: Final = 500
_SIGNS_IN: Final = frozenset({Life.EXPECTED, Life.PRESENT, Life.ON_LEAVE, Life.LEAVING})
_GROUPS: Final = 3


class Password(Enum):
    """What a page says of the password."""

    NUMEN = "numen"
    ONE_TIME = "one-time"
    OWN = "own"  # chosen by its owner
    IN_USE = "in use"  # the one-time password of an earlier page, with which they signed in
    NONE = "none"  # a code is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One page.  language: fr or en."""

    account_id: AccountId
    kind: Kind
    name: str
    identifier: str
    address: str
    function: str
    language: str
    password: Password
    one_time: Secret[str] | None = None

    @property
    def is_new(self) -> bool:
        return self.password not in {Password.OWN, Password.IN_USE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom to call.  telephone: theirs, else that of their unit; may be empty."""

    name: str
    address: str
    telephone: str = ""
    identifier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """unit: None for people without a post.  above: who answers for the units above it."""

    unit: UnitDoc | None
    letters: tuple[Letter, ...]
    contacts: tuple[Contact, ...]
    above: tuple[Contact, ...] = ()

    def contacts_for(self, letter: Letter) -> tuple[Contact, ...]:
        """Others than they themselves: the nearest who answer for them."""
        for contacts in (self.contacts, self.above):
            others = tuple(one for one in contacts if one.identifier != letter.identifier)
            if others:
                return others
        return ()


class DirectoryOfPeople(Protocol):
    """Who and what there is, and who answers for it."""

    def search_people(self, which: Search, *, after: str, limit: int) -> list[Person]: ...

    def search_units(self, which: Search, *, after: str, limit: int) -> list[Unit]: ...

    def find_person(self, identifier: str) -> Person | None: ...

    def relations_over(
        self, *, account_id: AccountId | None = None, unit_id: UnitId | None = None
    ) -> list[Relation]: ...


class ReadsCredentials(Protocol):
    def read_credential(self, account_id: AccountId) -> Credential | None: ...


class Source(Protocol):
    """What letters need to read."""

    @property
    def people(self) -> DirectoryOfPeople: ...

    @property
    def accounts(self) -> ReadsCredentials: ...


class WritesCredentials(Protocol):
    def write_credential(
        self, account_id: AccountId, *, verifier: str, must_change: bool
    ) -> Credential: ...


class NotesEvents(Protocol):
    def note(self, account_id: AccountId, event: Event) -> None: ...


class Passwords(Protocol):
    """Where one-time passwords are kept, as verifiers only."""

    @property
    def accounts(self) -> WritesCredentials: ...

    @property
    def people(self) -> NotesEvents: ...


def gather(
    source: Source, *, unit_code: str, only_new: bool, language: str, now_s: float
) -> list[Pile]:
    """Piles by the units' names, people by theirs; those without a post last.

    unit_code: that unit and all below it; empty: everybody.
    language: of accounts that name none.
    """
    units = list(_units(source, unit_code))
    answering = _Answering(source, now_s)
    by_unit = _people_by_unit(source, unit_code, {unit.doc.code.lower() for unit in units})
    piles = []
    for unit in units:
        letters = [
            _letter(source, person, language) for person in by_unit.pop(unit.doc.code.lower(), [])
        ]
        if unit.account_id is not None and not unit.doc.is_closed:
            letters.insert(0, _unit_letter(source, unit, unit.account_id, language))
        piles.append(
            Pile(
                unit=unit.doc,
                letters=tuple(letters),
                contacts=answering.at(unit),
                above=answering.above(unit),
            )
        )
    rest = tuple(_letter(source, one, language) for people in by_unit.values() for one in people)
    piles.append(Pile(unit=None, letters=rest, contacts=()))
    return [kept for pile in piles if (kept := _kept(pile, only_new=only_new)).letters]


def keep_used(
    piles: Sequence[Pile], has_signed_in: Callable[[AccountId], bool], *, only_new: bool
) -> list[Pile]:
    """A printed password that opened the mailbox already stays: a program holds it."""
    kept = []
    for pile in piles:
        letters = tuple(
            replace(one, password=Password.IN_USE)
            if one.password is Password.ONE_TIME and has_signed_in(one.account_id)
            else one
            for one in pile.letters
        )
        kept.append(_kept(replace(pile, letters=letters), only_new=only_new))
    return [pile for pile in kept if pile.letters]


def give_passwords(
    piles: Sequence[Pile],
    passwords: Passwords,
    *,
    hash_password: Callable[[Secret[str]], str],
    thread_count: int,
    by_whom: str,
    now_s: float,
    told: Callable[[], None] = lambda: None,
    choose: Callable[[str], str] = secrets.choice,
) -> list[Pile]:
    """The piles with a one-time password on each page that needs one, all of them kept.

    told: called after each one.
    """
    wanting = [one for pile in piles for one in pile.letters if one.password is Password.ONE_TIME]
    chosen = [_one_time(choose) for _ in wanting]
    given: dict[AccountId, Secret[str]] = {}
    with ThreadPoolExecutor(thread_count) as pool:
        verifiers = pool.map(hash_password, chosen)
        for letter, password, verifier in zip(wanting, chosen, verifiers, strict=True):
            passwords.accounts.write_credential(
                letter.account_id, verifier=verifier, must_change=True
            )
            passwords.people.note(
                letter.account_id,
                Event(at_s=now_s, by_whom=by_whom, what="one-time password printed"),
            )
            given[letter.account_id] = password
            told()
    return [_with_passwords(pile, given) for pile in piles]


def _one_time(choose: Callable[[str], str]) -> Secret[str]:
    """57 bits, in groups that can be read aloud: `K7MH-3XQD-AC9T`."""
    return Secret(print_groups(choose, groups=_GROUPS))


def _with_passwords(pile: Pile, given: dict[AccountId, Secret[str]]) -> Pile:
    letters = tuple(replace(one, one_time=given.get(one.account_id)) for one in pile.letters)
    return replace(pile, letters=letters)


def _kept(pile: Pile, *, only_new: bool) -> Pile:
    if not only_new:
        return pile
    return replace(pile, letters=tuple(letter for letter in pile.letters if letter.is_new))


# --- reading -----------------------------------------------------------------------


def _units(source: Source, unit_code: str) -> Iterator[Unit]:
    which, after = Search(unit_code=unit_code, with_hidden=True), ""
    while units := source.people.search_units(which, after=after, limit=_SLICE):
        yield from units
        after = units[-1].doc.code


def _people_by_unit(source: Source, unit_code: str, codes: set[str]) -> dict[str, list[Person]]:
    """By the code of the first post in one of these units; by the empty one where there is none."""
    found: dict[str, list[Person]] = {}
    which, after = Search(unit_code=unit_code, with_hidden=True), ""
    while people := source.people.search_people(which, after=after, limit=_SLICE):
        for person in people:
            if person.kind is Kind.PERSON and person.life in _SIGNS_IN:
                own = (post.unit_code.lower() for post in person.posts)
                code = next((code for code in own if code in codes), "")
                found.setdefault(code, []).append(person)
        after = people[-1].identifier
    return found


def _letter(source: Source, person: Person, language: str) -> Letter:
    credential = source.accounts.read_credential(person.account_id)
    return Letter(
        account_id=person.account_id,
        kind=person.kind,
        name=person.name,
        identifier=person.identifier,
        address=person.address,
        function=person.posts[0].function if person.posts else "",
        language=person.language or language,
        password=_state(credential, first=Password.NUMEN, none=Password.NONE),
    )


def _unit_letter(source: Source, unit: Unit, account_id: AccountId, language: str) -> Letter:
    credential = source.accounts.read_credential(account_id)
    return Letter(
        account_id=account_id,
        kind=Kind.ESTABLISHMENT,
        name=unit.doc.name,
        identifier=unit.doc.identifier,
        address=unit.doc.addresses[0] if unit.doc.addresses else "",
        function="",
        language=language,
        password=_state(credential, first=Password.ONE_TIME, none=Password.ONE_TIME),
    )


def _state(credential: Credential | None, *, first: Password, none: Password) -> Password:
    if credential is None or credential.verifier is None:
        return none
    return first if credential.must_change else Password.OWN


class _Answering:
    """Who answers for which unit; each unit is asked for once."""

    def __init__(self, source: Source, now_s: float) -> None:
        self._source, self._now_s = source, now_s
        self._by_code: dict[str, tuple[Contact, ...]] = {}
        self._units: dict[str, Unit] = {}

    def at(self, unit: Unit) -> tuple[Contact, ...]:
        code = unit.doc.code
        if code not in self._by_code:
            self._by_code[code] = self._contacts(unit)
        return self._by_code[code]

    def above(self, unit: Unit) -> tuple[Contact, ...]:
        """Of the nearest unit above that has somebody."""
        code, seen = unit.doc.parent_code, {unit.doc.code}
        while code and code not in seen:
            seen.add(code)
            parent = self._unit(code)
            if parent is None:
                break
            if contacts := self.at(parent):
                return contacts
            code = parent.doc.parent_code
        return ()

    def _unit(self, code: str) -> Unit | None:
        if not self._units:
            self._units = {one.doc.code: one for one in _units(self._source, "")}
        return self._units.get(code)

    def _contacts(self, unit: Unit) -> tuple[Contact, ...]:
        people = (
            self._source.people.find_person(relation.identifier)
            for relation in self._source.people.relations_over(unit_id=unit.unit_id)
            if relation.kind is RelationKind.CORRESPONDENT and relation.holds_at(self._now_s)
        )
        return tuple(
            Contact(
                name=one.name,
                address=one.address,
                telephone=one.telephone or unit.doc.telephone,
                identifier=one.identifier,
            )
            for one in people
            if one is not None and one.life in _SIGNS_IN
        )
