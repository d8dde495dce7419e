"""Who sees what of an entry of the directory: one pure function, and its table.

| viewer         | people, units | telephone    | hidden entries | identifier | life |
| -------------- | ------------- | ------------ | -------------- | ---------- | ---- |
| outsider       | no            | no           | no             | no         | no   |
| member         | yes           | of units     | no             | no         | no   |
| colleague      | yes           | yes          | no             | no         | no   |
| correspondent  | yes           | yes          | yes            | yes        | yes  |
| administrator  | yes           | yes          | yes            | yes        | yes  |
| oneself        | yes           | yes          | yes            | yes        | yes  |

A colleague has a post in one of the same units.  A correspondent answers for a
unit at or above one of the entry's posts; for anybody else they are a member.
Who is which of these to whom is for the caller to say (`relation_to`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Viewer(Enum):
    """What the one who looks is to the entry."""

    OUTSIDER = "outsider"
    MEMBER = "member"
    COLLEAGUE = "colleague"
    CORRESPONDENT = "correspondent"
    ADMINISTRATOR = "administrator"
    ONESELF = "oneself"


class DirectoryEntry(Enum):
    """What is looked at."""

    PERSON = "person"
    UNIT = "unit"


class EntryField(Enum):
    NAME = "name"
    ADDRESS = "address"
    FUNCTION = "function"
    PLACE = "place"  # street, postcode and town of a unit
    TELEPHONE = "telephone"
    WEB_SITE = "web_site"
    IDENTIFIER = "identifier"
    LIFE = "life"


NOTHING: Final[frozenset[EntryField]] = frozenset()
_PERSON: Final = frozenset({EntryField.NAME, EntryField.ADDRESS, EntryField.FUNCTION})
_UNIT: Final = frozenset(
    {
        EntryField.NAME,
        EntryField.ADDRESS,
        EntryField.PLACE,
        EntryField.TELEPHONE,
        EntryField.WEB_SITE,
    },
)
_ALL: Final = frozenset(EntryField)
_SEES_HIDDEN: Final = frozenset({Viewer.CORRESPONDENT, Viewer.ADMINISTRATOR, Viewer.ONESELF})
_PERSON_FIELDS: Final[Mapping[Viewer, frozenset[EntryField]]] = {
    Viewer.OUTSIDER: NOTHING,
    Viewer.MEMBER: _PERSON,
    Viewer.COLLEAGUE: _PERSON | {EntryField.TELEPHONE},
    Viewer.CORRESPONDENT: _ALL,
    Viewer.ADMINISTRATOR: _ALL,
    Viewer.ONESELF: _ALL,
}


def visible_fields(
    viewer: Viewer, entry: DirectoryEntry, *, is_hidden: bool
) -> frozenset[EntryField]:
    """The fields to show; none: the entry is not shown, and is found by no search."""
    if viewer is Viewer.OUTSIDER or (is_hidden and viewer not in _SEES_HIDDEN):
        return NOTHING
    if entry is DirectoryEntry.PERSON:
        return _PERSON_FIELDS[viewer]
    return _ALL if viewer in _SEES_HIDDEN else _UNIT


def relation_to(
    *, is_member: bool, is_self: bool, is_administrator: bool, answers_for: bool, shares_unit: bool
) -> Viewer:
    """The strongest of what somebody is to an entry."""
    if not is_member:
        return Viewer.OUTSIDER
    ranks = (
        (is_administrator, Viewer.ADMINISTRATOR),
        (is_self, Viewer.ONESELF),
        (answers_for, Viewer.CORRESPONDENT),
        (shares_unit, Viewer.COLLEAGUE),
    )
    return next((viewer for holds, viewer in ranks if holds), Viewer.MEMBER)
