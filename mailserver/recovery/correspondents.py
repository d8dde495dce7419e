"""Who may hand out a code for whom: a correspondent for the people and the mailbox of their unit.

The unit that the relation names, and every unit below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mailserver.store.ports.people import Person, Relation, RelationKind, Unit
from mailserver.values.ids import AccountId, UnitId


class Tree(Protocol):
    """What it asks of `mailserver.store.ports.people.People`."""

    def find_person(self, identifier: str) -> Person | None: ...

    def find_unit(self, code: str) -> Unit | None: ...

    def relations_of(self, account_id: AccountId) -> list[Relation]: ...

    def is_below(self, unit_id: UnitId, ancestor: UnitId) -> bool: ...


def may_hand_code(tree: Tree, by_account: AccountId, for_identifier: str, *, now_s: float) -> bool:
    answers_for = [
        one.of_unit
        for one in tree.relations_of(by_account)
        if one.kind is RelationKind.CORRESPONDENT and one.of_unit is not None and _holds(one, now_s)
    ]
    person = tree.find_person(for_identifier)
    if person is None or not answers_for or person.account_id == by_account:
        return False
    return any(
        tree.is_below(unit_id, ancestor)
        for unit_id in _units_of(tree, person)
        for ancestor in answers_for
    )


def _units_of(tree: Tree, person: Person) -> Iterator[UnitId]:
    """Where they work, or the unit whose own mailbox it is."""
    for post in person.posts:
        unit = tree.find_unit(post.unit_code)
        if unit is not None:
            yield unit.unit_id
    own = tree.find_unit(person.identifier)
    if own is not None and own.account_id == person.account_id:
        yield own.unit_id


def _holds(relation: Relation, now_s: float) -> bool:
    return relation.since_s <= now_s and (relation.until_s is None or now_s < relation.until_s)
