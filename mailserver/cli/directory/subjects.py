"""People, units and days as a person types them, for the commands of the directory."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mailserver.cli.mistake import Mistake
from mailserver.cli.queue.acts import whoever

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.people import Change, People, Person, PersonDoc, Unit
    from mailserver.values.calendar import Calendar

DAY_S: Final = 86_400.0
YEAR_S: Final = 365.25 * DAY_S

UnitOption = Annotated[str, typer.Option("--unit", metavar="CODE", help="Code of a unit.")]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="DATE", help="The last day, as 2026-12-31.")
]


def by_whom() -> str:
    """Who is written in the history."""
    return f"cli:{whoever()}"


def person_named(people: People, identifier: str) -> Person:
    """
    Raises:
        Mistake: nobody has this identifier.
    """
    found = people.find_person(identifier)
    if found is None:
        raise Mistake(f"no account {identifier!r}: `mailserver directory search` finds people")
    return found


def doc_named(people: People, identifier: str) -> PersonDoc:
    """
    Raises:
        Mistake: nobody has this identifier, or it is not a person's.
    """
    from mailserver.store.ports.people import Kind

    person = person_named(people, identifier)
    doc = people.find_doc(identifier)
    if doc is None or person.kind is not Kind.PERSON:
        raise Mistake(f"{identifier} is not a person: it is the account of {_what(person)}")
    return doc


def _what(person: Person) -> str:
    return f"an establishment or a function, {person.name}"


def unit_named(people: People, code: str) -> Unit:
    """By its code in any case; an establishment's with its key letter or without.

    Raises:
        Mistake: there is none, or the letter does not belong to the digits.
    """
    found = people.find_unit(code.strip().lower())
    if found is None:
        found = people.find_unit(_as_uai(code))
    if found is None:
        raise Mistake(f"no unit {code!r}: `mailserver directory show` lists them")
    return found


def _as_uai(code: str) -> str:
    from mailserver.people.uai import BadUai, parse_uai

    try:
        return parse_uai(code).lower()
    except BadUai as error:
        if code.strip()[:7].isdecimal():
            raise Mistake(str(error)) from error
        return code.strip().lower()


def day_typed(option: str, text: str) -> date | None:
    """None: nothing was typed.

    Raises:
        Mistake: it is not a day.
    """
    from mailserver.directory.reading.cells import parse_day
    from mailserver.directory.reading.problems import BadCell

    try:
        return parse_day(text.strip())
    except BadCell as error:
        raise Mistake(f"{option}: {error}") from error


def calendar_of(settings: Settings) -> Calendar:
    """Days that people type and read are those of the service's time zone."""
    from mailserver.values.calendar import Calendar

    return Calendar(settings.service.time_zone)


def put(people: People, settings: Settings, change: Change, *, now_s: float) -> None:
    """
    Raises:
        Mistake: it conflicts with what is there.
    """
    conflict = people.put(
        change,
        by_whom=by_whom(),
        now_s=now_s,
        quarantine_s=settings.directory.quarantine_years * YEAR_S,
    )
    if conflict is not None:
        raise Mistake(conflict.words)
