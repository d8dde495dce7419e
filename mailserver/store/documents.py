"""Documents of people and units as JSON, and back: what the store keeps of an import.

One object for each document.  Fields that have their default are left out, so
that a document of today is read by a program that knows more fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from mailserver.store.ports.people import Doc, Life, PersonDoc, PostDoc, UnitDoc

JsonObject = dict[str, Any]


def doc_as_json(doc: Doc) -> JsonObject:
    """What `json.dumps` takes; `doc_from_json` reads it back as it was."""
    values = ((field.name, field, getattr(doc, field.name)) for field in _fields(type(doc)))
    return {name: _plain(value) for name, field, value in values if not _is_default(field, value)}


def doc_from_json(kind: type[Doc], values: Mapping[str, Any]) -> Doc:
    """
    Raises:
        KeyError, TypeError, ValueError: not what `doc_as_json` makes of that kind.
    """
    if kind is UnitDoc:
        return UnitDoc(**{**values, "addresses": tuple(values.get("addresses", ()))})
    return PersonDoc(
        **{
            **values,
            "addresses": tuple(values["addresses"]),
            "life": Life(values.get("life", Life.PRESENT.value)),
            "posts": tuple(PostDoc(*post) for post in values.get("posts", ())),
            "correspondent_of": tuple(values.get("correspondent_of", ())),
        }
    )


def doc_text(doc: Doc | None) -> str | None:
    """One line of JSON; None stays None."""
    if doc is None:
        return None
    return json.dumps(doc_as_json(doc), ensure_ascii=False, separators=(",", ":"))


def doc_of_text(kind: type[Doc], text: str | None) -> Doc | None:
    """The reverse of `doc_text`."""
    return None if text is None else doc_from_json(kind, json.loads(text))


_FIELDS: dict[type[Doc], tuple[Field[Any], ...]] = {
    PersonDoc: fields(PersonDoc),
    UnitDoc: fields(UnitDoc),
}


def _fields(kind: type[Doc]) -> tuple[Field[Any], ...]:
    return _FIELDS[kind]


def _is_default(field: Field[Any], value: object) -> bool:
    return field.default is not MISSING and field.default == value


def _plain(value: object) -> Any:
    if isinstance(value, Life):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, PostDoc):
        return [value.unit_code, value.function, value.subject]
    return value
