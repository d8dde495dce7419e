"""Why a change is in a plan, in words; never a secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mailserver.store.ports.people import Life, PersonDoc, UnitDoc
from mailserver.values.calendar import Calendar

_SHOWN: Final = 3
_UNIT_WORDS: Final = {
    "kind": "kind", "name": "name", "nature": "nature", "parent_code": "parent",
    "street": "street", "postcode": "postcode", "town": "town", "telephone": "telephone",
    "web_site": "web site", "identifier": "identifier",
}  # fmt: skip
_PERSON_WORDS: Final = {
    "given_name": "first name", "surname": "surname", "class_name": "class",
    "language": "language", "telephone": "telephone",
}  # fmt: skip


def unit_reasons(before: UnitDoc | None, after: UnitDoc, *, place: str) -> tuple[str, ...]:
    if before is None:
        return (f"new in {place}",)
    words = [] if place else ["in no file"]
    words += _differences(before, after, _UNIT_WORDS)
    if before.is_closed is not after.is_closed:
        words.append("closes" if after.is_closed else "opens again")
    if before.is_hidden is not after.is_hidden:
        words.append("hidden" if after.is_hidden else "no longer hidden")
    return (*words, *_new_addresses(before.addresses, after.addresses))


def person_reasons(
    before: PersonDoc | None, after: PersonDoc, *, places: Iterable[str], calendar: Calendar
) -> tuple[str, ...]:
    """before: as they were last known, gone or not."""
    places = list(places)
    if before is None:
        return (f"new in {places[0]}",)
    words = [] if places else ["in no file"]
    words += _differences(before, after, _PERSON_WORDS)
    if (before.life, before.life_until_s) != (after.life, after.life_until_s):
        words.append(f"{_life(before, calendar)} -> {_life(after, calendar)}")
    if before.is_hidden is not after.is_hidden:
        words.append("hidden" if after.is_hidden else "no longer hidden")
    words += _posts(before, after)
    if before.correspondent_of != after.correspondent_of:
        words.append(f"correspondent of {', '.join(after.correspondent_of) or 'nothing'}")
    return (*words, *_new_addresses(before.addresses, after.addresses))


def _differences(before: object, after: object, named: dict[str, str]) -> list[str]:
    return [
        f"{words} {getattr(before, name) or '-'} -> {getattr(after, name) or '-'}"
        for name, words in named.items()
        if getattr(before, name) != getattr(after, name)
    ]


def _posts(before: PersonDoc, after: PersonDoc) -> list[str]:
    old, new = set(before.posts), set(after.posts)
    parts = (("leaves", old - new), ("comes to", new - old))
    return [
        f"{verb} {one.unit_code} ({one.function or 'no function'})"
        for verb, posts in parts
        for one in sorted(posts)[:_SHOWN]
    ]


def _new_addresses(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    return [f"gets {one}" for one in after if one not in before]


def _life(doc: PersonDoc, calendar: Calendar) -> str:
    if doc.life_until_s is None:
        return doc.life.value
    if doc.life is Life.EXPECTED:
        return f"{doc.life.value} from {calendar.day_of(doc.life_until_s)}"
    return f"{doc.life.value} until {calendar.last_day(doc.life_until_s)}"
