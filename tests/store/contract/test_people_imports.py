"""Imports: slices of changes, their progress, a crash on the way, and taking them back."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import Change, Doc, Life, PersonDoc, PostDoc, UnitDoc
from mailserver.store.ports.store import Store
from tests.store.crowd import (
    COLLEGE,
    QUARANTINE_S,
    SCHOOL,
    apply,
    begin,
    creations,
    documents,
    made,
    put,
    school,
    teacher,
    undo,
    unit,
)
from tests.store.letters import NOW_S
from tests.store.places import ENGINES, PLACES, Place, count, examples_on

AT_SCHOOL, AT_COLLEGE = PostDoc(SCHOOL, "enseignant"), PostDoc(COLLEGE, "enseignant")
UNITS: list[Doc] = [unit("ac", kind="academy"), school(parent="ac"), school(COLLEGE, parent="ac")]
PEOPLE: list[Doc] = [teacher(f"p{n}", posts=(AT_SCHOOL,)) for n in range(5)]


def changes_of(store: Store, run_id: int) -> list[tuple[int, Change]]:
    return store.people.read_changes(run_id, after=0, limit=1000)


def test_a_run_keeps_its_progress_and_its_changes(store: Store) -> None:
    changes = creations([*UNITS, *PEOPLE])
    run_id = begin(store, len(changes))
    assert apply(store, run_id, changes[:3]) == [None] * 3
    run = store.people.last_import()
    assert run is not None
    assert (run.run_id, run.state, run.done, run.total) == (run_id, "applying", 3, 8)
    assert apply(store, run_id, changes[3:]) == [None] * 5
    store.people.end_import(run_id)
    run = store.people.last_import()
    assert run is not None
    assert (run.state, run.done, run.by_whom) == ("applied", 8, "cli:root")
    assert changes_of(store, run_id) == list(enumerate(changes, 1))
    assert store.people.read_changes(run_id, after=2, limit=1) == [(3, changes[2])]


def test_parents_and_posts_may_come_in_the_slice_of_their_units(store: Store) -> None:
    docs = [*UNITS, *PEOPLE]
    run_id = begin(store, len(docs))
    assert apply(store, run_id, creations(docs)) == [None] * len(docs)
    units, people = documents(store)
    assert units == sorted(UNITS, key=lambda doc: doc.code if isinstance(doc, UnitDoc) else "")
    assert people == PEOPLE


def test_a_conflict_stays_alone_and_counts_as_done(store: Store) -> None:
    made(store, teacher("p1"))
    run_id = begin(store, 3)
    docs = [teacher("p0"), teacher("p1", key="other"), teacher("p2")]
    first, second, third = apply(store, run_id, creations(docs))
    assert (first, third) == (None, None)
    assert second is not None
    assert second.words == "p1 is already taken, by p1 (Jean Marot)"
    run = store.people.last_import()
    assert run is not None
    assert run.done == 3
    assert [number for number, _ in changes_of(store, run_id)] == [1, 3]


def test_an_unfinished_run_is_gone_on_with_and_a_finished_one_is_not(store: Store) -> None:
    run_id = begin(store, 2)
    assert begin(store, 2) == run_id
    assert begin(store, 2, digest="another") != run_id
    store.people.end_import(run_id)
    assert begin(store, 2) != run_id


def test_a_run_that_is_not_being_applied_takes_no_changes(store: Store) -> None:
    run_id = begin(store, 1)
    store.people.end_import(run_id)
    for wrong in (run_id, 999):
        with pytest.raises(StoreUnavailable):
            apply(store, wrong, creations(PEOPLE[:1]))
    assert documents(store) == ([], [])


def test_history_names_the_import(store: Store) -> None:
    run_id = begin(store, 1)
    apply(store, run_id, creations([teacher()]))
    person = store.people.find_person("jmarot")
    assert person is not None
    (event,) = store.people.history(person.account_id, limit=9)
    assert (event.by_whom, event.what, event.at_s) == (f"import:{run_id}", "created", NOW_S)


def test_two_changes_of_one_person_in_one_slice_follow_each_other(store: Store) -> None:
    first = teacher(addresses=("a@d.fr",))
    second = replace(first, addresses=("b@d.fr",), telephone="1")
    third = replace(second, identifier="jm", life=Life.LEFT)
    run_id = begin(store, 3)
    changes = [
        Change(before=None, after=first),
        Change(before=first, after=second),
        Change(before=second, after=third),
    ]
    assert apply(store, run_id, changes) == [None] * 3
    assert store.people.read_person(first.source_key) == third
    person = store.people.find_person("jm")
    assert person is not None
    assert store.people.who_had("a@d.fr", now_s=NOW_S) == person.account_id
    undo(store, run_id, slice_size=2)
    assert documents(store) == ([], [])


def test_a_name_released_in_a_slice_is_nobodys_in_it(store: Store) -> None:
    made(store, teacher("a", addresses=("x@d.fr",)))
    run_id = begin(store, 2)
    changes = [
        Change(before=teacher("a", addresses=("x@d.fr",)), after=teacher("a")),
        Change(before=None, after=teacher("b", addresses=("x@d.fr",))),
    ]
    first, second = apply(store, run_id, changes)
    assert first is None
    assert second is not None


def test_without_quarantine_two_may_exchange_their_names(store: Store) -> None:
    a, b = teacher("a"), teacher("b")
    made(store, a, b)
    run_id = begin(store, 3)
    changes = [
        Change(before=a, after=replace(a, identifier="c", addresses=("c@d.fr",))),
        Change(before=b, after=replace(b, identifier="a", addresses=("a@d.fr",))),
        Change(
            before=replace(a, identifier="c", addresses=("c@d.fr",)),
            after=replace(a, identifier="b", addresses=("b@d.fr",)),
        ),
    ]
    assert store.people.apply_changes(run_id, changes, now_s=NOW_S, quarantine_s=0.0) == [None] * 3
    found = store.accounts.find_account("a")
    assert found is not None
    assert found.addresses == ("a@d.fr",)
    assert store.accounts.find_mailbox("a@d.fr") == found.inbox_id


# Taking back


def test_undo_leaves_the_documents_of_before(store: Store) -> None:
    made(store, unit("old"), teacher("stays", posts=(PostDoc("old", "secrétaire"),)))
    before = documents(store)
    changed = replace(teacher("stays"), surname="Petit", posts=(AT_SCHOOL,))
    changes = [
        *creations([*UNITS, *PEOPLE]),
        Change(before=before[1][0], after=changed),
        Change(before=changed, after=None),
    ]
    run_id = begin(store, len(changes))
    assert apply(store, run_id, changes) == [None] * len(changes)
    store.people.end_import(run_id)
    undo(store, run_id)
    assert documents(store) == before
    assert store.people.last_import() is None
    assert store.accounts.find_mailbox("stays@d.fr") is not None


def test_an_undo_that_stopped_goes_on(store: Store, place: Place) -> None:
    run_id = begin(store, 5)
    apply(store, run_id, creations([UNITS[0], UNITS[1], *PEOPLE]))
    store.people.end_import(run_id)
    store.people.undo_changes(run_id, [7, 6, 5], now_s=NOW_S, quarantine_s=QUARANTINE_S)
    again = place.open()
    run = again.people.last_import()
    assert run is not None
    assert (run.run_id, run.state) == (run_id, "undoing")
    assert [number for number, _ in changes_of(again, run_id)] == [1, 2, 3, 4]
    undo(again, run_id)
    assert documents(again) == ([], [])


def test_undo_leaves_alone_what_was_changed_since(store: Store) -> None:
    doc = teacher()
    run_id = begin(store, 1)
    apply(store, run_id, creations([doc]))
    store.people.end_import(run_id)
    assert put(store, doc, replace(doc, telephone="1")) is None
    (conflict,) = store.people.undo_changes(run_id, [1], now_s=NOW_S, quarantine_s=QUARANTINE_S)
    assert conflict is not None
    assert conflict.words == "jmarot was changed meanwhile: telephone is 1, not empty"
    assert changes_of(store, run_id) == []


def test_who_was_taken_back_comes_back_with_the_next_import(store: Store) -> None:
    run_id = begin(store, 1)
    apply(store, run_id, creations([teacher()]))
    inbox = store.accounts.find_mailbox("jmarot@d.fr")
    undo(store, run_id)
    run_id = begin(store, 1)
    assert apply(store, run_id, creations([teacher()]), at_s=NOW_S + 9) == [None]
    assert store.accounts.find_mailbox("jmarot@d.fr") == inbox


def test_nothing_that_could_be_read_back_of_a_password_is_kept(store: Store, place: Place) -> None:
    run_id = begin(store, 1)
    apply(store, run_id, [Change(before=None, after=teacher(), verifier="$secret$")])
    ((_, change),) = changes_of(store, run_id)
    assert change.verifier is None
    assert "secret" not in str(place.rows("SELECT before, after, subject FROM import_change"))


# A crash on the way


def test_a_crash_in_the_middle_ends_like_an_apply_without_one(store: Store, place: Place) -> None:
    changes = creations([*UNITS, *PEOPLE])
    run_id = begin(store, len(changes))
    apply(store, run_id, changes[:4])
    again = place.open()
    resumed = again.people.begin_import(
        by_whom="x", digest="plan", total=len(changes), now_s=NOW_S + 1
    )
    assert (resumed.run_id, resumed.done) == (run_id, 4)
    assert apply(again, run_id, changes[resumed.done :]) == [None] * 4
    again.people.end_import(run_id)
    assert documents(again)[1] == PEOPLE
    assert count(place, "account") == 7
    assert [number for number, _ in changes_of(again, run_id)] == list(range(1, 9))


# Whatever the documents

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
lives = st.sampled_from([life for life in Life if life is not Life.GONE])
posts = st.sets(st.builds(PostDoc, st.sampled_from([SCHOOL, COLLEGE]), texts, texts), max_size=3)


@st.composite
def people(draw: st.DrawFn) -> list[PersonDoc]:
    """Two states of each of some people, whose names differ."""
    return [
        PersonDoc(
            source_key=f"k{n}",
            identifier=draw(st.sampled_from([f"id{n}", f"name{n}"])),
            given_name=draw(texts),
            surname=draw(texts) or "x",
            addresses=tuple(
                draw(st.permutations([f"a{n}@d.fr", f"b{n}@d.fr"]))[: draw(st.integers(0, 2))]
            ),
            class_name=draw(texts),
            language=draw(st.sampled_from(["", "fr", "en"])),
            life=draw(lives),
            life_until_s=draw(st.none() | st.floats(0, 4e9)),
            is_hidden=draw(st.booleans()),
            telephone=draw(texts),
            posts=tuple(draw(posts)),
            correspondent_of=tuple(draw(st.sets(st.sampled_from([SCHOOL, COLLEGE])))),
        )
        for n in range(4)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_apply_leaves_what_was_wanted_and_undo_what_was_before(engine: str) -> None:
    @settings(max_examples=examples_on(engine, settings().max_examples))
    @given(first=people(), second=people(), size=st.integers(1, 5))
    def there_and_back(first: list[PersonDoc], second: list[PersonDoc], size: int) -> None:
        _apply_and_undo(engine, first, second, size)

    there_and_back()


def _apply_and_undo(
    engine: str, first: list[PersonDoc], second: list[PersonDoc], size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = PLACES[engine](folder + "/store")
        place.make()
        try:
            store = place.open()
            made(store, *UNITS, *first[:2])
            changes = [
                Change(before=a if n < 2 else None, after=b)
                for n, (a, b) in enumerate(zip(first, second, strict=True))
            ]
            run_id = begin(store, len(changes))
            for start in range(0, len(changes), size):
                part = changes[start : start + size]
                assert apply(store, run_id, part) == [None] * len(part)
            assert documents(store)[1] == second
            assert changes_of(store, run_id) == list(enumerate(changes, 1))
            undo(store, run_id, slice_size=size)
            assert documents(store)[1] == first[:2]
        finally:
            place.leave()
