"""Some changes at a time, in memory: what they are about is read, they are decided one by one.

Nothing is written here (see `people.rows`).  Whoever comes later in a slice
sees what came before: a name that was released in it is in quarantine, a unit
that was made in it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from mailserver.store.ports.people import Change, Doc, Kind, PersonDoc, UnitDoc
from mailserver.store.sql.engine import Reader, Row, first
from mailserver.store.sql.people.documents import (
    AccountDraft,
    Node,
    members_by_identifier,
    members_by_source,
    nodes_by_code,
)
from mailserver.store.sql.people.names import (
    NameRow,
    holder_words,
    keys_of,
    keys_of_doc,
    read_names,
    taken_words,
)
from mailserver.values.address import fold_local
from mailserver.values.calendar import Calendar

_HOLDER = "SELECT identifier, name FROM account WHERE account_id = ?"
_PARENTS = """
    SELECT unit.code, parent.code
    FROM unit JOIN unit AS parent ON parent.unit_id = unit.parent_id"""
_CHILDREN = "SELECT code FROM unit WHERE parent_id = ? AND is_gone = 0"
_PEOPLE_THERE = """
    SELECT account_id, identifier FROM account WHERE account_id IN
        (SELECT account_id FROM post WHERE unit_id = ? AND until_s IS NULL
        UNION SELECT account_id FROM relation WHERE of_unit = ? AND until_s IS NULL)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When, by whom, and how long released names are kept for who had them.

    calendar: whose days stand in words.
    run_id: of the import that is applied, or taken back; None: one change by hand.
    """

    now_s: float
    by_whom: str
    quarantine_s: float
    calendar: Calendar
    run_id: int | None = None
    is_undo: bool = False

    @property
    def names_kept_until(self) -> date:
        return self.calendar.day_of(self.now_s + self.quarantine_s)


@dataclass(frozen=True, slots=True)
class Happened:
    member: AccountDraft
    what: str
    details: str


class Slice:
    """What some changes are about, as the store has it, and what becomes of it."""

    def __init__(self, reader: Reader, changes: Sequence[Change], moment: Moment) -> None:
        self._reader = reader
        self.moment = moment
        self.events: list[Happened] = []
        self.homonyms: list[tuple[str, int]] = []
        self.touched: set[str] = set()  # keys of names whose rows changed
        self.former: set[str] = set()  # of these, the ones that somebody else had
        self._next_id = -1
        self._parents: dict[str, str] | None = None
        self._load_people(changes)
        self._load_units(changes)
        self.names = read_names(reader, self._all_keys(changes))

    def _load_people(self, changes: Sequence[Change]) -> None:
        keys = {doc.source_key for doc in _docs(changes) if isinstance(doc, PersonDoc)}
        by_hand = {
            fold_local(change.before.identifier)
            for change in changes
            if isinstance(change.before, PersonDoc) and not change.before.source_key
        }
        members = members_by_source(self._reader, sorted(keys - {""}))
        members += members_by_identifier(self._reader, sorted(by_hand))
        self.people = {subject_key(member.doc): member for member in members}

    def _load_units(self, changes: Sequence[Change]) -> None:
        subjects = {doc.code for doc in _docs(changes) if isinstance(doc, UnitDoc)}
        mentioned: set[str] = set()
        for doc in (*_docs(changes), *(member.doc for member in self.people.values())):
            mentioned.update(_units_of(doc))
        nodes = nodes_by_code(self._reader, sorted(subjects))
        nodes += nodes_by_code(self._reader, sorted(mentioned - subjects), whole=False)
        self.units = {node.doc.code: node for node in nodes}

    def _all_keys(self, changes: Sequence[Change]) -> list[str]:
        keys: set[str] = set()
        for doc in _docs(changes):
            keys.update(keys_of(doc.identifier, doc.addresses))
        for member in self.members():
            keys.update(keys_of_doc(member.doc))
        return sorted(keys - {""})

    def members(self) -> Iterator[AccountDraft]:
        yield from self.people.values()
        for node in self.units.values():
            if node.member is not None:
                yield node.member

    # Names

    def name_problem(self, account_id: int, doc: Doc) -> str | None:
        """Why it cannot have one of its names; None: it can."""
        keys = keys_of(doc.identifier, doc.addresses)
        if len(keys) <= len(doc.addresses):
            return f"{doc.identifier} has an address twice, or its identifier as an address"
        for key, name in keys.items():
            row = self.names.get(key)
            if row is not None and not row.is_free_for(account_id, self.moment.now_s):
                holder = self._holder(row.account_id)
                return taken_words(name, row, holder, self.moment.calendar)
        return None

    def rename(self, account_id: int, old: dict[str, str], new: dict[str, str]) -> None:
        """Release what is not wanted any more, give what is new."""
        now_s = self.moment.now_s
        for key in old.keys() - new.keys():
            row = self.names.setdefault(key, NameRow(account_id, now_s))
            row.released_at_s, row.free_at_s = now_s, now_s + self.moment.quarantine_s
            self.touched.add(key)
        for key in new.keys() - old.keys():
            had = self.names.get(key)
            if had is not None and had.account_id == account_id:
                had.released_at_s = had.free_at_s = None
            else:
                if had is not None:
                    self.former.add(key)
                self.names[key] = NameRow(account_id, now_s)
            self.touched.add(key)

    def _holder(self, account_id: int) -> str:
        for member in self.members():
            if member.account_id == account_id:
                return holder_words(member.doc.identifier, display_name(member.doc))
        row = first(self._reader.execute(_HOLDER, (account_id,)))
        return "a list" if row is None else holder_words(*row)

    # Subjects

    def new_member(self, kind: Kind, doc: PersonDoc) -> AccountDraft:
        member = AccountDraft(account_id=self._new_id(), kind=kind, doc=doc)
        member.life_since_s = self.moment.now_s
        if kind is Kind.PERSON:
            self.people[subject_key(doc)] = member
        return member

    def new_node(self, doc: UnitDoc) -> Node:
        node = self.units[doc.code] = Node(unit_id=self._new_id(), doc=doc)
        return node

    def note(self, member: AccountDraft, what: str, details: str = "") -> None:
        self.events.append(Happened(member, what, details))

    def missing_unit(self, codes: Iterable[str]) -> str | None:
        """The first of these that is no unit."""
        for code in codes:
            node = self.units.get(code)
            if node is None or node.is_gone:
                return code
        return None

    def would_turn_in_circles(self, code: str, parent_code: str) -> bool:
        """Is this unit above its new parent, or that parent itself?"""
        parents = self._all_parents()
        seen = {code}
        above = parent_code
        while above:
            if above in seen:
                return True
            seen.add(above)
            above = parents.get(above, "")
        return False

    def moved(self, code: str, parent_code: str) -> None:
        if self._parents is not None:
            self._parents[code] = parent_code

    def dependents(self, node: Node) -> str | None:
        """What still belongs to a unit, in words; None: nothing."""
        code = node.doc.code
        for one in self.units.values():
            if one.doc.parent_code == code and not one.is_gone:
                return f"{one.doc.code} is below it"
        for (child,) in self._rows(_CHILDREN, node.unit_id):
            if child not in self.units:
                return f"{child} is below it"
        for member in self.people.values():
            if code in _units_of(member.doc):
                return f"{member.doc.identifier} has a post there"
        known = {member.account_id for member in self.people.values()}
        for account_id, identifier in self._rows(_PEOPLE_THERE, node.unit_id, node.unit_id):
            if account_id not in known:
                return f"{identifier} has a post there"
        return None

    def _rows(self, statement: str, *parameters: int) -> list[Row]:
        return list(self._reader.execute(statement, parameters))

    def _all_parents(self) -> dict[str, str]:
        """code -> code of its parent; read once, when a unit that is there moves."""
        if self._parents is None:
            self._parents = dict(self._rows(_PARENTS))
            for code, node in self.units.items():
                self._parents[code] = node.doc.parent_code
        return self._parents

    def _new_id(self) -> int:
        self._next_id -= 1
        return self._next_id


def subject_key(doc: PersonDoc) -> str:
    """How a person is known inside a slice: as the import does, else by identifier."""
    return doc.source_key or f"={fold_local(doc.identifier)}"


def display_name(doc: PersonDoc) -> str:
    return f"{doc.given_name} {doc.surname}".strip()


def _docs(changes: Sequence[Change]) -> Iterator[Doc]:
    for change in changes:
        if change.before is not None:
            yield change.before
        if change.after is not None:
            yield change.after


def _units_of(doc: Doc) -> list[str]:
    """Codes of the units that a document mentions."""
    if isinstance(doc, UnitDoc):
        return [doc.parent_code] if doc.parent_code else []
    return [*(post.unit_code for post in doc.posts), *doc.correspondent_of]
