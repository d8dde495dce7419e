"""Documents as JSON, for plan files: fields by their names, defaults left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from mailserver.store.people import Doc, Life, PersonDoc, PostDoc, UnitDoc

_DEFAULTS = {
    kind: {one.name: one.default for one in fields(kind) if one.default is not MISSING}
    for kind in (PersonDoc, UnitDoc)
}
_NAMES = {kind: [one.name for one in fields(kind)] for kind in (PersonDoc, UnitDoc)}


class BadDocument(ValueError):
    """Not a document as `to_json` writes it."""


def to_json(doc: Doc) -> dict[str, Any]:
    defaults = _DEFAULTS[type(doc)]
    tree: dict[str, Any] = {"is": "person" if isinstance(doc, PersonDoc) else "unit"}
    for name in _NAMES[type(doc)]:
        value = getattr(doc, name)
        if name not in defaults or value != defaults[name]:
            tree[name] = value
    if "life" in tree:
        tree["life"] = tree["life"].value
    if "posts" in tree:
        tree["posts"] = [[one.unit_code, one.function, one.subject] for one in tree["posts"]]
    return tree


def from_json(tree: Mapping[str, Any]) -> Doc:
    """
    Raises:
        BadDocument: another shape.
    """
    values: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one for key, one in tree.items()
    }
    kind = values.pop("is", None)
    try:
        if kind == "unit":
            return UnitDoc(**values)
        if "life" in values:
            values["life"] = Life(values["life"])
        values["posts"] = tuple(PostDoc(*one) for one in values.get("posts", ()))
        if kind == "person":
            return PersonDoc(**values)
    except (TypeError, ValueError) as error:
        raise BadDocument(f"not a document: {type(error).__name__}") from None
    raise BadDocument("neither a person nor a unit")
