"""Who sees what: the table of the module, cell by cell."""

from __future__ import annotations

import pytest

from mailserver.directory.visibility import (
    NOTHING,
    DirectoryEntry,
    EntryField,
    Viewer,
    relation_to,
    visible_fields,
)

INSIDERS = [viewer for viewer in Viewer if viewer is not Viewer.OUTSIDER]
TRUSTED = [Viewer.CORRESPONDENT, Viewer.ADMINISTRATOR, Viewer.ONESELF]
PERSON = {EntryField.NAME, EntryField.ADDRESS, EntryField.FUNCTION}


@pytest.mark.parametrize("entry", DirectoryEntry)
@pytest.mark.parametrize("is_hidden", [False, True])
def test_an_outsider_sees_nothing(entry: DirectoryEntry, is_hidden: bool) -> None:
    assert visible_fields(Viewer.OUTSIDER, entry, is_hidden=is_hidden) == NOTHING


@pytest.mark.parametrize("entry", DirectoryEntry)
@pytest.mark.parametrize("viewer", Viewer)
def test_a_hidden_entry_is_shown_to_those_who_answer_for_it_only(
    viewer: Viewer, entry: DirectoryEntry
) -> None:
    assert bool(visible_fields(viewer, entry, is_hidden=True)) == (viewer in TRUSTED)


@pytest.mark.parametrize(
    ("viewer", "fields"),
    [
        (Viewer.MEMBER, PERSON),
        (Viewer.COLLEAGUE, PERSON | {EntryField.TELEPHONE}),
        *((viewer, set(EntryField)) for viewer in TRUSTED),
    ],
)
def test_what_is_seen_of_a_person(viewer: Viewer, fields: set[EntryField]) -> None:
    assert visible_fields(viewer, DirectoryEntry.PERSON, is_hidden=False) == fields


@pytest.mark.parametrize("viewer", INSIDERS)
def test_a_units_telephone_and_place_are_for_everybody_inside(viewer: Viewer) -> None:
    fields = visible_fields(viewer, DirectoryEntry.UNIT, is_hidden=False)
    assert {
        EntryField.TELEPHONE,
        EntryField.PLACE,
        EntryField.WEB_SITE,
        EntryField.ADDRESS,
    } <= fields
    assert (EntryField.IDENTIFIER in fields) == (viewer in TRUSTED)


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
