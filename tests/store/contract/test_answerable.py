"""Who answers for an account now: the correspondents of its units, else of those above."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.people import Life, PostDoc, RelationKind
from mailserver.store.ports.store import Store
from tests.store.crowd import COLLEGE, DAY_S, SCHOOL, made, put, school, teacher, unit
from tests.store.letters import NOW_S

Dated = tuple[str, str, float, float | None]
"""(correspondent, unit, from, to): days from now."""


@pytest.fixture
def academy(store: Store) -> Store:
    """An academy, a district and two schools; jmarot teaches at both."""
    made(store, unit("aca"), unit("dist", parent="aca"))
    made(store, school(SCHOOL, parent="dist"), school(COLLEGE, parent="dist"))
    posts = [PostDoc(SCHOOL, "enseignant"), PostDoc(COLLEGE, "enseignant")]
    made(store, teacher(posts=posts), *(teacher(name) for name in "abc"))
    return store


def relate(store: Store, relations: Sequence[Dated]) -> None:
    for name, code, since, until in relations:
        account, of = store.accounts.find_account(name), store.people.find_unit(code)
        assert account is not None
        assert of is not None
        store.people.relate(
            RelationKind.CORRESPONDENT,
            account.account_id,
            of_unit=of.unit_id,
            since_s=NOW_S + since * DAY_S,
            until_s=None if until is None else NOW_S + until * DAY_S,
        )


@pytest.mark.parametrize(
    ("relations", "expected"),
    [
        ([], []),
        ([("a", SCHOOL, -1, None), ("b", COLLEGE, -1, None)], ["a", "b"]),
        ([("a", SCHOOL, -1, 1)], ["a"]),
        ([("a", SCHOOL, -2, -1), ("b", SCHOOL, 1, None), ("c", COLLEGE, 0, 1)], ["c"]),
        ([("a", SCHOOL, -2, 0), ("b", "dist", -1, 1), ("c", "aca", -1, None)], ["b"]),
        ([("c", "aca", -1, None)], ["c"]),
        ([("a", SCHOOL, -1, None), ("b", "dist", -1, None)], ["a"]),
        ([("jmarot", SCHOOL, -1, None), ("b", "dist", -1, None)], ["b"]),
    ],
    ids=["nobody", "own", "until", "of now", "above", "top", "nearest", "never oneself"],
)
def test_who_answers_for_an_account(
    academy: Store, relations: Sequence[Dated], expected: list[str]
) -> None:
    relate(academy, relations)
    assert academy.people.answerable_for("JMarot", now_s=NOW_S) == expected


def test_a_school_has_the_correspondents_of_its_own_unit(academy: Store) -> None:
    relate(academy, [("a", SCHOOL, -1, 1), ("b", "dist", -1, None)])
    assert academy.people.answerable_for(SCHOOL, now_s=NOW_S) == ["a"]
    assert academy.people.answerable_for(SCHOOL, now_s=NOW_S + DAY_S) == ["b"]


def test_who_may_not_sign_in_answers_for_nobody(academy: Store) -> None:
    relate(academy, [("a", SCHOOL, -1, 1), ("b", SCHOOL, -1, 1), ("c", "dist", -1, None)])
    assert put(academy, teacher("a"), teacher("a", life=Life.LEFT)) is None
    suspended = academy.accounts.find_account("b")
    assert suspended is not None
    academy.accounts.set_state(suspended.account_id, AccountState.SUSPENDED)
    assert academy.people.answerable_for("jmarot", now_s=NOW_S) == ["c"]
