"""`mailserver directory show` and `search`: the directory, as an administrator or a member sees it.

Without `--with-hidden` the commands show what any member sees in the webmail;
with it, all: who types them can read the store anyway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.directory.subjects import UnitOption, unit_named
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.texts.plurals import counted
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailserver.directory.visibility import EntryField, Viewer
    from mailserver.store.ports.people import Person, Unit
    from mailserver.store.ports.store import Store

HiddenOption = Annotated[
    bool,
    typer.Option("--with-hidden", help="The liste rouge too, and who has not come yet or left."),
]
OptionalCode = Annotated[
    str | None,
    typer.Argument(metavar="[CODE]", help="Code of a unit. Default: the top of the tree."),
]
WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[WORDS]...", help="Beginnings of words of a name."),
]
TownOption = Annotated[str, typer.Option("--town", metavar="WORDS", help="Only in this town.")]
FunctionOption = Annotated[
    str, typer.Option("--function", metavar="WORDS", help="Only who does this, as directeur.")
]
LimitOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many of each kind.")
]
PEOPLE_SHOWN = 1000


def show(
    code: OptionalCode = None,
    *,
    with_hidden: HiddenOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one level of the tree: a unit, its people with their function, and the units below."""
    with opened_store(read_settings(config)) as store:
        unit = None if code is None else unit_named(store.people, code)
        if unit is not None and not _unit_facts(unit, with_hidden=with_hidden):
            raise Mistake(f"no unit {code!r}: `mailserver directory show` lists them")
        below = store.people.child_units(None if unit is None else unit.doc.code)
        people = [] if unit is None else _people_in(store, unit, with_hidden=with_hidden)
    units = [facts for one in below if (facts := _unit_facts(one, with_hidden=with_hidden))]
    itself = {} if unit is None else _unit_facts(unit, with_hidden=with_hidden)
    if as_json:
        print(json.dumps({"unit": itself or None, "units": units, "people": people}))
        return
    for line in _unit_lines(itself):
        print(line)
    for facts in people:
        print("  " + _person_line(facts))
    for facts in units:
        print(_short_line(facts))


def search(
    words: WordsArgument = None,
    *,
    unit: UnitOption = "",
    town: TownOption = "",
    function: FunctionOption = "",
    with_hidden: HiddenOption = False,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find people and units by name, unit, town or function; exit 1 where there is none."""
    from mailserver.store.ports.people import Search

    name = " ".join(words or ())
    if not (name or unit or town or function):
        raise Mistake("write beginnings of a name, or --unit, --town or --function")
    with opened_store(read_settings(config)) as store:
        which = Search(
            name=name,
            unit_code=unit_named(store.people, unit).doc.code if unit else "",
            town=town,
            function=function,
            with_hidden=with_hidden,
        )
        found = store.people.search_people(which, after="", limit=limit + 1)
        units = [] if function else store.people.search_units(which, after="", limit=limit + 1)
    people = [facts for one in found[:limit] if (facts := _person_facts(one, with_hidden))]
    places = [f for one in units[:limit] if (f := _unit_facts(one, with_hidden=with_hidden))]
    _print_found(people, places, as_json=as_json)
    if len(found) > limit or len(units) > limit:
        raise Failure("there are more: narrow the search, or raise --limit")
    if not people and not places:
        raise Failure("nobody and nothing of that name")


def _print_found(
    people: list[dict[str, Any]], units: list[dict[str, Any]], *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps({"people": people, "units": units}, ensure_ascii=False))
        return
    for facts in people:
        print(_person_line(facts))
    for facts in units:
        print(_short_line(facts))


def _people_in(store: Store, unit: Unit, *, with_hidden: bool) -> list[dict[str, Any]]:
    """Those with a post in the unit itself, not in one below."""
    from mailserver.store.ports.people import Search

    which = Search(unit_code=unit.doc.code, with_hidden=with_hidden)
    here: list[Person] = []
    after = ""
    while len(here) < PEOPLE_SHOWN and (
        people := store.people.search_people(which, after=after, limit=PEOPLE_SHOWN)
    ):
        here += [one for one in people if any(p.unit_code == unit.doc.code for p in one.posts)]
        after = people[-1].identifier
    return [facts for one in here if (facts := _person_facts(one, with_hidden))]


# --- what is shown of an entry --------------------------------------------------------


def _viewer(with_hidden: bool) -> Viewer:
    from mailserver.directory.visibility import Viewer

    return Viewer.ADMINISTRATOR if with_hidden else Viewer.MEMBER


def _person_facts(person: Person, with_hidden: bool) -> dict[str, Any]:
    """Empty: not to be shown."""
    from mailserver.directory.visibility import DirectoryEntry, EntryField, visible_fields

    fields = visible_fields(_viewer(with_hidden), DirectoryEntry.PERSON, is_hidden=person.is_hidden)
    values = {
        EntryField.NAME: person.name,
        EntryField.ADDRESS: person.address,
        EntryField.FUNCTION: [
            {"unit": one.unit_code, "function": one.function, "subject": one.subject}
            for one in person.posts
        ],
        EntryField.TELEPHONE: person.telephone,
        EntryField.IDENTIFIER: person.identifier,
        EntryField.LIFE: person.life.value,
    }
    return _kept(values, fields) | ({"hidden": True} if fields and person.is_hidden else {})


def _unit_facts(unit: Unit, *, with_hidden: bool) -> dict[str, Any]:
    """Empty: not to be shown."""
    from mailserver.directory.visibility import DirectoryEntry, EntryField, visible_fields

    doc = unit.doc
    fields = visible_fields(_viewer(with_hidden), DirectoryEntry.UNIT, is_hidden=doc.is_hidden)
    values = {
        EntryField.NAME: doc.name,
        EntryField.ADDRESS: doc.addresses[0] if doc.addresses else "",
        EntryField.PLACE: {"street": doc.street, "postcode": doc.postcode, "town": doc.town},
        EntryField.TELEPHONE: doc.telephone,
        EntryField.WEB_SITE: doc.web_site,
    }
    always = {
        "code": doc.code.upper(),
        "kind": doc.kind,
        "units": unit.child_count,
        "people": unit.people_count,
        **({"closed": True} if doc.is_closed else {}),
    }
    return {**always, **_kept(values, fields)} if fields else {}


def _kept(values: dict[EntryField, Any], fields: frozenset[EntryField]) -> dict[str, Any]:
    return {field.value: value for field, value in values.items() if field in fields}


# --- for people -------------------------------------------------------------------------


def _person_line(facts: dict[str, Any]) -> str:
    posts = ", ".join(_post(one) for one in facts["function"])
    parts = [facts["name"], posts, facts["address"], facts.get("telephone", "")]
    parts += [facts.get("identifier", "")]
    if facts.get("life", "present") != "present":
        parts.append(facts["life"].replace("_", " "))
    if facts.get("hidden"):
        parts.append("liste rouge")
    return "  ".join(shown(part) for part in parts if part)


def _post(post: dict[str, str]) -> str:
    subject = f" ({post['subject']})" if post["subject"] else ""
    return f"{post['function']}{subject} [{post['unit'].upper()}]"


def _unit_lines(facts: dict[str, Any]) -> Iterator[str]:
    if not facts:
        return
    place = facts["place"]
    yield shown(f"{facts['code']}  {facts['name']}")
    town = " ".join(part for part in (place["postcode"], place["town"]) if part)
    for text in (place["street"], town, facts["telephone"], facts["address"], facts["web_site"]):
        if text:
            yield "  " + shown(text)


def _short_line(facts: dict[str, Any]) -> str:
    town, count = facts["place"]["town"], facts["units"]
    parts = [facts["code"], facts["name"], town, counted(facts["people"], "person", "people")]
    parts += [counted(count, "unit")] if count else []
    parts += ["closed"] if facts.get("closed") else []
    return shown("  ".join(part for part in parts if part))
