"""People and units as documents: made, changed, gone, back again; and who has which name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.errors import NameTaken
from mailserver.store.ports.people import Change, Conflict, Kind, Life, PersonDoc, PostDoc, UnitDoc
from mailserver.store.ports.store import Store
from tests.store.crowd import (
    COLLEGE,
    DAY_S,
    QUARANTINE_S,
    SCHOOL,
    made,
    put,
    school,
    teacher,
    unit,
)
from tests.store.letters import NOW_S, accept, fetch, letter_to, person, uids_of
from tests.store.places import Place

AT_SCHOOL = PostDoc(SCHOOL, "enseignant", "maths")
AT_COLLEGE = PostDoc(COLLEGE, "enseignant", "maths")


def account_id_of(store: Store, identifier: str) -> int:
    account = store.accounts.find_account(identifier)
    assert account is not None
    return account.account_id


def told(store: Store, identifier: str) -> list[str]:
    """The history of an account, the oldest first, without dates."""
    account = store.accounts.find_account(identifier)
    assert account is not None
    events = store.people.history(account.account_id, limit=100)
    return [f"{event.what}: {event.details}" for event in reversed(events)]


def words(conflict: Conflict | None) -> str:
    assert conflict is not None
    return conflict.words


# Made


def test_a_person_is_kept_as_the_document_says(store: Store) -> None:
    doc = replace(
        teacher(addresses=("Jean.Marot@d.fr", "jm@d.fr"), posts=(AT_SCHOOL,)),
        class_name="staff",
        language="fr",
        life=Life.LEAVING,
        life_until_s=NOW_S + DAY_S,
        is_hidden=True,
        telephone="05 46 00 00 00",
        correspondent_of=(SCHOOL,),
    )
    made(store, unit(), doc)
    assert store.people.read_person(doc.source_key) == doc
    assert store.people.find_doc("JMAROT") == doc
    assert list(store.people.read_subjects(PersonDoc)) == [doc]
    account = store.accounts.find_account("jmarot")
    assert account is not None
    assert account.name == "Jean Marot"
    assert account.addresses == ("Jean.Marot@d.fr", "jm@d.fr")
    assert uids_of(store, account.inbox_id) == []


def test_posts_are_kept_sorted_and_once(store: Store) -> None:
    other = PostDoc(SCHOOL, "directeur")
    doc = teacher(posts=(AT_SCHOOL, other, AT_SCHOOL, PostDoc(SCHOOL, "enseignant", "physique")))
    made(store, unit(), doc)
    assert len(doc.posts) == 3
    assert doc.posts[0] == other
    assert store.people.read_person(doc.source_key) == doc


def test_a_unit_is_kept_as_the_document_says(store: Store) -> None:
    doc = UnitDoc(
        code=SCHOOL,
        kind="establishment",
        name="École Jules Ferry",
        nature="ecole",
        parent_code="ac",
        street="1 rue Haute",
        postcode="17100",
        town="Saintes",
        telephone="05",
        web_site="https://a.test",
        is_hidden=True,
        is_closed=True,
        identifier=SCHOOL,
        addresses=(f"ce.{SCHOOL}@d.fr",),
    )
    made(store, unit("ac"), doc)
    assert store.people.read_unit(SCHOOL) == doc
    assert list(store.people.read_subjects(UnitDoc)) == [doc, unit("ac")]


def test_an_establishment_has_an_account_of_its_own(store: Store) -> None:
    made(store, school())
    account = store.accounts.find_account(SCHOOL)
    assert account is not None
    assert account.name == "École Jules Ferry"
    found = store.people.find_unit(SCHOOL)
    shown = store.people.find_person(SCHOOL)
    assert found is not None
    assert shown is not None
    assert found.account_id == account.account_id
    assert shown.kind is Kind.ESTABLISHMENT
    assert list(store.people.read_subjects(PersonDoc)) == []
    changed = replace(school(), name="École Jean Moulin", addresses=("ce.jm@d.fr",))
    assert put(store, school(), changed) is None
    assert store.people.read_unit(SCHOOL) == changed
    assert store.accounts.find_mailbox("ce.jm@d.fr") == account.inbox_id
    assert store.accounts.find_mailbox(f"ce.{SCHOOL}@d.fr") is None
    assert put(store, changed, replace(changed, identifier="", addresses=())) is None
    assert store.accounts.find_mailbox("ce.jm@d.fr") is None


def test_the_first_password_is_given_once(store: Store) -> None:
    doc = teacher()
    change = Change(before=None, after=doc, verifier="$first$")
    assert store.people.put(change, by_whom="x", now_s=NOW_S, quarantine_s=QUARANTINE_S) is None
    sign_in = store.accounts.find_sign_in("jmarot")
    assert sign_in is not None
    assert (sign_in.credential.verifier, sign_in.credential.must_change) == ("$first$", True)
    later = Change(before=doc, after=replace(doc, telephone="1"), verifier="$second$")
    assert store.people.put(later, by_whom="x", now_s=NOW_S, quarantine_s=QUARANTINE_S) is None
    credential = store.accounts.read_credential(sign_in.account_id)
    assert credential is not None
    assert credential == sign_in.credential


# Conflicts


def test_a_change_of_what_was_changed_meanwhile_is_not_made(store: Store) -> None:
    doc = teacher()
    made(store, doc)
    stale = replace(doc, surname="Petit")
    conflict = put(store, stale, replace(doc, telephone="1"))
    assert words(conflict) == "jmarot was changed meanwhile: surname is Marot, not Petit"
    assert words(put(store, None, doc)) == "jmarot is there already"
    assert words(put(store, teacher("autre"), None)) == "autre is not there"
    assert store.people.read_person(doc.source_key) == doc


def test_a_name_of_somebody_else_is_refused_with_whose_it_is(store: Store) -> None:
    made(store, teacher())
    conflict = put(store, None, teacher("jmarot2", addresses=("JMAROT@d.fr",)))
    assert words(conflict) == "JMAROT@d.fr is already taken, by jmarot (Jean Marot)"
    assert store.accounts.find_account("jmarot2") is None
    assert store.people.who_had("jmarot2", now_s=NOW_S) is None


def test_a_name_in_quarantine_is_refused_with_its_day(store: Store) -> None:
    doc = teacher()
    made(store, doc)
    assert put(store, doc, None) is None
    conflict = put(store, None, teacher(key="other"))
    assert (
        words(conflict)
        == "jmarot was given to jmarot (Jean Marot) and is kept for them until 2029-10-11"
    )
    with pytest.raises(NameTaken, match="kept for them until 2029-10-11"):
        person(store, "jmarot")


def test_one_person_cannot_have_an_address_twice(store: Store) -> None:
    assert "twice" in words(put(store, None, teacher(addresses=("a@d.fr", "A@d.fr"))))
    assert store.accounts.find_account("jmarot") is None


def test_a_post_needs_its_unit_and_a_unit_its_parent(store: Store) -> None:
    assert (
        words(put(store, None, teacher(posts=(AT_SCHOOL,)))) == f"jmarot: there is no unit {SCHOOL}"
    )
    conflict = put(store, None, unit(parent="ac"))
    assert words(conflict) == f"{SCHOOL}: there is no unit ac to be below"


def test_a_unit_cannot_be_below_itself(store: Store) -> None:
    top, middle, low = unit("a"), unit("b", parent="a"), unit("c", parent="b")
    made(store, top, middle, low)
    assert "which is below it" in words(put(store, top, replace(top, parent_code="c")))
    assert "which is below it" in words(put(store, top, replace(top, parent_code="a")))
    assert put(store, low, replace(low, parent_code="a")) is None


def test_a_unit_with_people_or_units_cannot_go(store: Store) -> None:
    made(store, unit("ac"), unit(parent="ac"), teacher(posts=(AT_SCHOOL,)))
    assert words(put(store, unit("ac"), None)) == f"ac cannot go: {SCHOOL} is below it"
    conflict = put(store, unit(parent="ac"), None)
    assert words(conflict) == f"{SCHOOL} cannot go: jmarot has a post there"
    assert put(store, teacher(posts=(AT_SCHOOL,)), teacher()) is None
    assert put(store, unit(parent="ac"), None) is None
    assert store.people.read_unit(SCHOOL) is None
    assert put(store, None, unit(parent="ac")) is None


# Changed


def test_renaming_keeps_the_mailbox_and_its_mail(store: Store) -> None:
    before = teacher()
    made(store, before)
    old = store.accounts.find_account("jmarot")
    assert old is not None
    accept(store.writes, letter_to(old.inbox_id))
    after = replace(before, surname="Durand", identifier="jdurand", addresses=("jean.durand@d.fr",))
    assert put(store, before, after) is None
    new = store.accounts.find_account("jdurand")
    assert new is not None
    assert (new.account_id, new.inbox_id, new.name) == (old.account_id, old.inbox_id, "Jean Durand")
    assert uids_of(store, new.inbox_id) == [1]
    assert fetch(store, new.inbox_id, 1) is not None
    assert store.accounts.find_mailbox("jmarot@d.fr") is None
    assert store.accounts.find_mailbox("jean.durand@d.fr") == old.inbox_id
    assert store.people.who_had("jmarot@d.fr", now_s=NOW_S) == old.account_id


def test_an_address_that_was_released_may_come_back_to_its_owner(store: Store) -> None:
    first, second = teacher(addresses=("a@d.fr", "b@d.fr")), teacher(addresses=("b@d.fr",))
    made(store, first)
    assert put(store, first, second) is None
    assert put(store, second, first) is None
    assert store.people.read_person(first.source_key) == first
    assert store.people.who_had("a@d.fr", now_s=NOW_S + 10 * QUARANTINE_S) == account_id_of(
        store, "jmarot"
    )


def test_history_tells_every_change_in_words(store: Store) -> None:
    doc = teacher(posts=(AT_SCHOOL,))
    made(store, unit(), unit(COLLEGE), doc)
    renamed = replace(doc, surname="Durand", addresses=("jd@d.fr", "jmarot@d.fr"))
    moved = replace(renamed, posts=(AT_COLLEGE,), correspondent_of=(COLLEGE,))
    left = replace(moved, life=Life.LEFT, life_until_s=NOW_S + DAY_S, posts=())
    for before, after in ((doc, renamed), (renamed, moved), (moved, left), (left, None)):
        assert put(store, before, after) is None
    assert told(store, "jmarot") == [
        "created: jmarot, jmarot@d.fr",
        "renamed: Jean Marot -> Jean Durand",
        "address added: jd@d.fr",
        "first address: jd@d.fr",
        f"moved: enseignant (maths) at {SCHOOL} -> enseignant (maths) at {COLLEGE}",
        f"correspondent: of {COLLEGE}",
        f"moved: enseignant (maths) at {COLLEGE} -> none",
        "life changed: present -> left: may not sign in until 2027-01-16",
        "gone: names kept until 2029-10-11: jmarot, jd@d.fr, jmarot@d.fr",
    ]


# Life


@pytest.mark.parametrize("life", [Life.EXPECTED, Life.LEFT])
def test_life_decides_who_signs_in_and_ends_remembered_log_ins(store: Store, life: Life) -> None:
    present = teacher()
    made(store, present)
    before = store.accounts.find_sign_in("jmarot")
    away = replace(present, life=life)
    assert put(store, present, away) is None
    after = store.accounts.find_sign_in("jmarot")
    assert before is not None
    assert after is not None
    assert after.credential.state is AccountState.SUSPENDED
    assert after.credential.version > before.credential.version
    assert store.accounts.read_credential(after.account_id) == after.credential
    assert put(store, away, present) is None
    back = store.accounts.find_sign_in("jmarot")
    assert back is not None
    assert back.credential.state is AccountState.ACTIVE
    assert back.credential.version > after.credential.version


def test_leave_and_a_new_telephone_end_no_log_in(store: Store) -> None:
    present = teacher()
    made(store, present)
    before = store.accounts.find_sign_in("jmarot")
    leave = replace(present, life=Life.ON_LEAVE, telephone="1")
    assert put(store, present, leave) is None
    assert store.accounts.find_sign_in("jmarot") == before


def test_a_suspension_by_a_person_outlives_a_return(store: Store) -> None:
    left, present = teacher(life=Life.LEFT), teacher()
    made(store, left)
    account = store.accounts.find_account("jmarot")
    assert account is not None
    store.accounts.set_state(account.account_id, AccountState.SUSPENDED)
    assert put(store, left, present) is None
    sign_in = store.accounts.find_sign_in("jmarot")
    assert sign_in is not None
    assert sign_in.credential.state is AccountState.SUSPENDED


def test_who_is_gone_leaves_account_and_mail_and_gets_none(store: Store) -> None:
    doc = teacher(posts=(AT_SCHOOL,))
    made(store, unit(), doc)
    account = store.accounts.find_account("jmarot")
    assert account is not None
    accept(store.writes, letter_to(account.inbox_id))
    assert put(store, doc, None) is None
    assert list(store.people.read_subjects(PersonDoc)) == []
    gone = store.people.read_person(doc.source_key)
    assert gone is not None
    assert (gone.life, gone.identifier, gone.addresses) == (Life.GONE, "jmarot", doc.addresses)
    assert gone.posts == ()
    assert store.accounts.find_mailbox("jmarot@d.fr") is None
    target = store.people.find_target("jmarot@d.fr")
    assert target is not None
    assert (target.mailbox_id, target.life) == (None, Life.GONE)
    assert list(store.accounts.list_accounts()) == []
    assert store.accounts.count_accounts() == 0
    sign_in = store.accounts.find_sign_in("jmarot")
    assert sign_in is not None
    assert sign_in.credential.state is AccountState.SUSPENDED
    store.upkeep.reclaim(now_s=NOW_S + 1000 * QUARANTINE_S)
    assert uids_of(store, account.inbox_id) == [1]


def test_who_comes_back_has_the_same_mailbox_and_names(store: Store) -> None:
    doc = teacher()
    made(store, doc)
    before = store.accounts.find_account("jmarot")
    assert put(store, doc, None) is None
    made(store, doc)
    assert store.accounts.find_account("jmarot") == before
    assert store.accounts.find_mailbox("jmarot@d.fr") is not None
    assert told(store, "jmarot")[-1] == "came back: jmarot, jmarot@d.fr"


def test_a_name_whose_quarantine_is_over_goes_to_the_next(store: Store) -> None:
    doc, next_one = teacher(), teacher(key="other", given_name="Jules")
    made(store, doc)
    assert put(store, doc, None) is None
    made(store, next_one, at_s=NOW_S + QUARANTINE_S)
    account = store.accounts.find_account("jmarot")
    assert account is not None
    assert account.name == "Jules Marot"
    assert store.accounts.find_mailbox("jmarot@d.fr") == account.inbox_id
    conflict = put(store, None, doc, at_s=NOW_S + QUARANTINE_S)
    assert words(conflict) == "jmarot is already taken, by jmarot (Jules Marot)"
    made(store, teacher("jmarot2", key=doc.source_key), at_s=NOW_S + QUARANTINE_S)


def test_names_stay_their_subjects_until_the_quarantine_is_over(store: Store) -> None:
    doc = teacher()
    made(store, doc)
    given = store.people.given_to(doc, now_s=NOW_S)
    assert given == ["jmarot", "jmarot@d.fr"]
    assert put(store, doc, None) is None
    assert store.people.given_to(doc, now_s=NOW_S) == given
    assert store.people.given_to(doc, now_s=NOW_S + QUARANTINE_S) == []
    assert store.people.given_to(teacher(key="other"), now_s=NOW_S) == []


def test_the_next_step_of_life_is_due_at_its_date(store: Store) -> None:
    soon = replace(teacher("a", life=Life.LEAVING), life_until_s=NOW_S + 10)
    later = replace(teacher("b", life=Life.LEFT), life_until_s=NOW_S + 20)
    made(store, soon, later, teacher("c"))
    assert store.people.due_lives(now_s=NOW_S + 9, limit=9) == []
    assert store.people.due_lives(now_s=NOW_S + 10, limit=9) == [soon]
    assert store.people.due_lives(now_s=NOW_S + 20, limit=1) == [soon]
    assert put(store, soon, None) is None
    assert store.people.due_lives(now_s=NOW_S + 99, limit=9) == [later]


# Made by hand


def test_an_account_made_by_hand_has_a_document_and_can_be_changed(store: Store) -> None:
    added = person(store, "fmarot")
    doc = store.people.find_doc("fmarot")
    assert doc is not None
    assert (doc.source_key, doc.surname, doc.addresses) == ("", "Fmarot", added.addresses)
    assert list(store.people.read_subjects(PersonDoc)) == []
    after = replace(doc, identifier="fdurand", given_name="Frédéric", surname="Durand")
    assert put(store, doc, after) is None
    assert store.people.find_doc("fdurand") == after
    assert account_id_of(store, "fdurand") == added.account_id


def test_somebody_new_made_by_hand_never_gets_the_mailbox_of_who_is_gone(store: Store) -> None:
    doc = teacher(key="")
    made(store, doc)
    assert put(store, doc, None) is None
    assert "kept for them" in words(put(store, None, doc))
    assert put(store, None, doc, at_s=NOW_S + QUARANTINE_S) is None
    assert put(store, doc, teacher("other", key=""), at_s=NOW_S + QUARANTINE_S) is None


def test_a_deleted_person_is_nobody_to_an_import(store: Store) -> None:
    doc = teacher(posts=(AT_SCHOOL,))
    made(store, unit(), doc)
    account = store.accounts.find_account("jmarot")
    assert account is not None
    store.accounts.delete_account(account.account_id, now_s=NOW_S)
    assert store.people.read_person(doc.source_key) is None
    assert "kept for them" in words(put(store, None, doc))
    made(store, teacher("jmarot2", key=doc.source_key))
    unit_found = store.people.find_unit(SCHOOL)
    assert unit_found is not None
    assert unit_found.people_count == 0


def test_a_deleted_account_of_an_establishment_leaves_the_unit(store: Store) -> None:
    made(store, school())
    account = store.accounts.find_account(SCHOOL)
    assert account is not None
    store.accounts.delete_account(account.account_id, now_s=NOW_S)
    doc = store.people.read_unit(SCHOOL)
    assert doc == replace(school(), identifier="", addresses=())


def test_numbers_of_homonyms_only_grow(store: Store) -> None:
    def give(identifier: str, number: int) -> None:
        change = Change(
            before=None, after=teacher(identifier), homonyms=(("jmarot", number), ("x", 1))
        )
        assert store.people.put(change, by_whom="x", now_s=NOW_S, quarantine_s=0.0) is None

    assert store.people.last_homonym("jmarot") == 0
    give("jmarot3", 3)
    give("jmarot2", 2)
    assert store.people.last_homonym("jmarot") == 3
    assert put(store, teacher("jmarot3"), None) is None
    assert store.people.last_homonym("jmarot") == 3


def test_what_one_process_changes_another_sees(store: Store, place: Place) -> None:
    other = place.open()
    made(store, unit(), teacher(posts=(AT_SCHOOL,)))
    assert other.people.read_person("key-jmarot") == teacher(posts=(AT_SCHOOL,))
