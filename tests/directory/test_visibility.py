"""Who sees what: the table of the module, cell by cell."""

from __future__ import annotations

import pytest

from mailserver.directory.visibility import (
    NOTHING,
    Entry,
    Field,
    Viewer,
    relation_to,
    visible_fields,
)

INSIDERS = [viewer for viewer in Viewer if viewer is not Viewer.OUTSIDER]
TRUSTED = [Viewer.CORRESPONDENT, Viewer.ADMINISTRATOR, Viewer.ONESELF]
PERSON = {Field.NAME, Field.ADDRESS, Field.FUNCTION}


@pytest.mark.parametrize("entry", Entry)
@pytest.mark.parametrize("is_hidden", [False, True])
def test_an_outsider_sees_nothing(entry: Entry, is_hidden: bool) -> None:
    assert visible_fields(Viewer.OUTSIDER, entry, is_hidden=is_hidden) == NOTHING


@pytest.mark.parametrize("entry", Entry)
@pytest.mark.parametrize("viewer", Viewer)
def test_a_hidden_entry_is_shown_to_those_who_answer_for_it_only(
    viewer: Viewer, entry: Entry
) -> None:
    assert bool(visible_fields(viewer, entry, is_hidden=True)) == (viewer in TRUSTED)


@pytest.mark.parametrize(
    ("viewer", "fields"),
    [
        (Viewer.MEMBER, PERSON),
        (Viewer.COLLEAGUE, PERSON | {Field.TELEPHONE}),
        *((viewer, set(Field)) for viewer in TRUSTED),
    ],
)
def test_what_is_seen_of_a_person(viewer: Viewer, fields: set[Field]) -> None:
    assert visible_fields(viewer, Entry.PERSON, is_hidden=False) == fields


@pytest.mark.parametrize("viewer", INSIDERS)
def test_a_units_telephone_and_place_are_for_everybody_inside(viewer: Viewer) -> None:
    fields = visible_fields(viewer, Entry.UNIT, is_hidden=False)
    assert {Field.TELEPHONE, Field.PLACE, Field.WEB_SITE, Field.ADDRESS} <= fields
    assert (Field.IDENTIFIER in fields) == (viewer in TRUSTED)


@pytest.mark.parametrize(
    ("facts", "viewer"),
    [
        ("", Viewer.MEMBER),
        ("shares_unit", Viewer.COLLEAGUE),
        ("shares_unit answers_for", Viewer.CORRESPONDENT),
        ("answers_for is_self", Viewer.ONESELF),
        ("is_self is_administrator", Viewer.ADMINISTRATOR),
    ],
)
def test_the_strongest_relation_decides(facts: str, viewer: Viewer) -> None:
    names = ("is_self", "is_administrator", "answers_for", "shares_unit")
    held = {name: name in facts.split() for name in names}
    assert relation_to(is_member=True, **held) is viewer
    assert relation_to(is_member=False, **held) is Viewer.OUTSIDER
