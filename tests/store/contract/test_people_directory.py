"""The directory: browsing units, searching people and units, relations, history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import (
    Change,
    Event,
    Life,
    PostDoc,
    RelationKind,
    Search,
    UnitDoc,
)
from mailserver.store.ports.store import Store
from mailserver.store.sql.people import search as people_search
from mailserver.values.ids import AccountId, UnitId
from tests.store.crowd import SCHOOL, apply, begin, made, put, school, teacher, undo, unit
from tests.store.letters import NOW_S, person

FERRY, MOULIN = "0170001a", "0170002b"


@pytest.fixture
def academy(store: Store) -> Store:
    """ac > d17 > two schools in two towns, and some people in them."""
    made(
        store,
        unit("ac", kind="academy", name="Académie de Poitiers"),
        unit("d17", parent="ac", kind="department", name="Charente-Maritime"),
        unit("d86", parent="ac", kind="department", name="Vienne"),
        replace(school(FERRY, parent="d17", town="Saintes"), name="École Jules Ferry"),
        replace(school(MOULIN, parent="d86", town="Saint-Benoît"), name="École Jean Moulin"),
        teacher(
            "emarot", given_name="Élodie", surname="Marot", posts=[PostDoc(FERRY, "enseignant")]
        ),
        teacher("jmarot", posts=[PostDoc(FERRY, "directrice d’école")]),
        teacher("jdupont", surname="Dupont-Marot", posts=[PostDoc(MOULIN, "enseignant")]),
        teacher("zlamar", surname="Lamar", posts=[PostDoc("d17", "secrétaire")]),
    )
    return store


def found(store: Store, which: Search, *, after: str = "", limit: int = 50) -> list[str]:
    return [one.identifier for one in store.people.search_people(which, after=after, limit=limit)]


def units(store: Store, which: Search, *, after: str = "", limit: int = 50) -> list[str]:
    return [one.doc.code for one in store.people.search_units(which, after=after, limit=limit)]


# Browsing


def test_the_tree_is_browsed_from_its_roots_by_name(academy: Store) -> None:
    (root,) = academy.people.child_units(None)
    assert (root.doc.code, root.child_count, root.people_count) == ("ac", 2, 0)
    assert [one.doc.code for one in academy.people.child_units("ac")] == ["d17", "d86"]
    (ferry,) = academy.people.child_units("d17")
    assert (ferry.doc.code, ferry.child_count, ferry.people_count) == (FERRY, 0, 2)
    assert academy.people.find_unit(FERRY) == ferry
    assert academy.people.child_units("nowhere") == []
    assert academy.people.find_unit("nowhere") is None


def test_a_unit_that_is_gone_is_not_shown(academy: Store) -> None:
    made(academy, unit("x", parent="ac"))
    assert put(academy, unit("x", parent="ac"), None) is None
    assert academy.people.find_unit("x") is None
    assert len(academy.people.child_units("ac")) == 2
    assert units(academy, Search(unit_code="x")) == []


def test_a_person_is_shown_with_what_they_do(academy: Store) -> None:
    shown = academy.people.find_person("EMAROT")
    assert shown is not None
    assert (shown.name, shown.given_name, shown.surname) == ("Élodie Marot", "Élodie", "Marot")
    assert (shown.address, shown.life) == ("emarot@d.fr", Life.PRESENT)
    assert shown.posts == (PostDoc(FERRY, "enseignant"),)
    assert academy.people.find_person("nobody") is None


# Searching


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("marot", ["jdupont", "emarot", "jmarot"]),
        ("MAR elo", ["emarot"]),
        ("Élodie", ["emarot"]),
        ("jean marot", ["jdupont", "jmarot"]),
        ("arot", []),
        ("lam", ["zlamar"]),
        ("???", []),
        ("100%", []),
    ],
)
def test_words_match_beginnings_of_words_of_a_name(
    academy: Store, typed: str, expected: list[str]
) -> None:
    assert found(academy, Search(name=typed)) == expected


@pytest.mark.parametrize("few", [0, 2_000])
@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Search(unit_code=FERRY), ["emarot", "jmarot"]),
        (Search(unit_code="d17"), ["zlamar", "emarot", "jmarot"]),
        (Search(unit_code="ac"), ["jdupont", "zlamar", "emarot", "jmarot"]),
        (Search(unit_code="nowhere"), []),
        (Search(town="saint"), ["jdupont", "emarot", "jmarot"]),
        (Search(town="Saintes"), ["emarot", "jmarot"]),
        (Search(function="ecole"), []),
        (Search(function="directrice"), ["jmarot"]),
        (Search(function="ENSEIGN", unit_code="ac", town="benoit"), ["jdupont"]),
        (Search(function="enseignant", name="elodie"), ["emarot"]),
    ],
)
def test_units_towns_and_functions_narrow_a_search(
    academy: Store,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    which: Search,
    expected: list[str],
) -> None:
    monkeypatch.setattr(people_search, "FEW", few)
    assert found(academy, which) == expected


def test_pages_follow_each_other(academy: Store) -> None:
    first = found(academy, Search(), limit=3)
    assert first == ["jdupont", "zlamar", "emarot"]
    assert found(academy, Search(), after="emarot", limit=3) == ["jmarot"]
    assert found(academy, Search(), after="jmarot") == []


def test_the_liste_rouge_and_who_is_away_are_for_administrators(academy: Store) -> None:
    hidden = replace(teacher("hmarot"), is_hidden=True)
    made(academy, hidden, teacher("left", life=Life.LEFT), teacher("soon", life=Life.EXPECTED))
    made(academy, teacher("gone"))
    assert put(academy, teacher("gone"), None) is None
    seen = set(found(academy, Search(name="marot")))
    everybody = set(found(academy, Search(name="marot", with_hidden=True)))
    assert everybody - seen == {"hmarot", "left", "soon"}


def test_people_made_by_hand_are_found_too(academy: Store) -> None:
    person(academy, "Zoé")
    assert found(academy, Search(name="zoe")) == ["Zoé"]


def test_a_post_that_ended_is_not_found(academy: Store) -> None:
    doc = academy.people.find_doc("emarot")
    assert doc is not None
    assert put(academy, doc, replace(doc, posts=())) is None
    assert found(academy, Search(unit_code=FERRY)) == ["jmarot"]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Search(name="ecole j"), [MOULIN, FERRY]),
        (Search(name="ferry"), [FERRY]),
        (Search(name="0170001"), [FERRY]),
        (Search(town="saint-b"), [MOULIN]),
        (Search(unit_code="d17"), ["d17", FERRY]),
        (Search(unit_code="d17", name="vienne"), []),
        (Search(function="secretaire"), ["d17"]),
    ],
)
def test_units_are_found_by_name_code_town_and_function(
    academy: Store, which: Search, expected: list[str]
) -> None:
    assert units(academy, which) == expected


def test_pages_of_units_follow_each_other_without_hidden_ones(academy: Store) -> None:
    made(academy, replace(unit("h", name="Adresse cachée"), is_hidden=True))
    first = units(academy, Search(), limit=2)
    rest = units(academy, Search(), after=first[-1])
    assert len({*first, *rest}) == 5
    assert units(academy, Search(with_hidden=True), limit=2)[1] == "h"


def test_names_of_a_search_may_hold_anything(academy: Store) -> None:
    for typed in ("'; DROP TABLE unit; --", "\0", "half\udce9", "%" * 50):
        assert found(academy, Search(name=typed)) == []
        assert units(academy, Search(town=typed)) == []


# Relations


def unit_id_of(store: Store, code: str) -> UnitId:
    one = store.people.find_unit(code)
    assert one is not None
    return one.unit_id


def account_id_of(store: Store, identifier: str) -> AccountId:
    one = store.people.find_person(identifier)
    assert one is not None
    return one.account_id


def test_a_relation_holds_between_its_dates(academy: Store) -> None:
    who = account_id_of(academy, "zlamar")
    whom = account_id_of(academy, "emarot")
    relation = academy.people.relate(
        RelationKind.MANAGER, who, of_account=whom, since_s=NOW_S, until_s=NOW_S + 10
    )
    assert relation.identifier == "zlamar"
    assert [relation.holds_at(NOW_S + at_s) for at_s in (-1, 0, 9, 10)] == [
        False,
        True,
        True,
        False,
    ]
    assert academy.people.relations_of(who) == [relation]
    assert academy.people.relations_over(account_id=whom) == [relation]
    assert academy.people.relations_over(account_id=who) == []
    academy.people.end_relation(relation.relation_id, at_s=NOW_S + 5)
    academy.people.end_relation(relation.relation_id, at_s=NOW_S + 7)
    (ended,) = academy.people.relations_of(who)
    assert ended.until_s == NOW_S + 5


def test_correspondents_come_and_go_with_the_document(academy: Store) -> None:
    doc = academy.people.find_doc("emarot")
    assert doc is not None
    answers = replace(doc, correspondent_of=(FERRY,))
    ferry = unit_id_of(academy, FERRY)
    assert put(academy, doc, answers) is None
    (relation,) = academy.people.relations_over(unit_id=ferry)
    assert (relation.kind, relation.identifier) == (RelationKind.CORRESPONDENT, "emarot")
    assert put(academy, answers, doc, at_s=NOW_S + 5) is None
    (ended,) = academy.people.relations_over(unit_id=ferry)
    assert ended.until_s == NOW_S + 5


def until_in(store: Store, code: str) -> float | None:
    (relation,) = store.people.relations_over(unit_id=unit_id_of(store, code))
    return relation.until_s


def test_a_transfer_ends_what_a_correspondent_was_until_a_day_and_undo_restores_it(
    academy: Store,
) -> None:
    doc = academy.people.find_doc("emarot")
    account = academy.accounts.find_account("emarot")
    assert doc is not None
    assert account is not None
    for code in (FERRY, "ac"):
        academy.people.relate(
            RelationKind.CORRESPONDENT,
            account.account_id,
            of_unit=unit_id_of(academy, code),
            since_s=NOW_S,
            until_s=NOW_S + 100,
        )
    moved = replace(doc, posts=(PostDoc(MOULIN, "enseignante"),))
    run_id = begin(academy, 1)
    assert apply(academy, run_id, [Change(before=doc, after=moved)], at_s=NOW_S + 5) == [None]
    assert (until_in(academy, FERRY), until_in(academy, "ac")) == (NOW_S + 5, NOW_S + 100)
    undo(academy, run_id, at_s=NOW_S + 9)
    assert until_in(academy, FERRY) == NOW_S + 100
    told = [
        f"{one.what}: {one.details}" for one in academy.people.history(account.account_id, limit=9)
    ]
    assert [line for line in told if line.startswith("correspondent")] == [
        f"correspondent: of {FERRY}",
        f"correspondent: of {FERRY} no longer",
    ]
    assert put(academy, doc, moved, at_s=NOW_S + 20) is None
    assert put(academy, moved, doc, at_s=NOW_S + 30) is None  # by hand: they are asked again
    assert until_in(academy, FERRY) == NOW_S + 20


def test_a_relation_of_nobody_is_refused(academy: Store) -> None:
    with pytest.raises(StoreUnavailable):
        academy.people.relate(RelationKind.HOLDER, AccountId(999), since_s=NOW_S)


def test_a_deleted_account_may_nothing_any_more(academy: Store) -> None:
    who, whom = account_id_of(academy, "zlamar"), account_id_of(academy, "emarot")
    academy.people.relate(RelationKind.HOLDER, who, of_account=whom, since_s=NOW_S)
    academy.accounts.delete_account(who, now_s=NOW_S + 1)
    (relation,) = academy.people.relations_over(account_id=whom)
    assert not relation.holds_at(NOW_S + 1)


def test_a_unit_is_below_itself_and_all_above_it(academy: Store) -> None:
    ac, d17, ferry = (unit_id_of(academy, code) for code in ("ac", "d17", FERRY))
    assert academy.people.is_below(ferry, ac)
    assert academy.people.is_below(ferry, ferry)
    assert not academy.people.is_below(d17, ferry)
    assert not academy.people.is_below(ferry, unit_id_of(academy, "d86"))


# History


def test_history_is_told_from_the_latest(academy: Store) -> None:
    who = account_id_of(academy, "emarot")
    for n in range(3):
        event = Event(at_s=NOW_S + n, by_whom="cli:root", what="code handed", details=str(n))
        academy.people.note(who, event)
    assert [event.details for event in academy.people.history(who, limit=2)] == ["2", "1"]
    assert academy.people.history(who, limit=9)[-1].what == "created"
    assert academy.people.history(AccountId(999), limit=9) == []


def test_a_code_is_found_as_it_is_kept(store: Store) -> None:
    made(store, UnitDoc(code=SCHOOL, kind="service", name="S"))
    assert store.people.find_unit(SCHOOL) is not None
