"""Who may what over whom: `mailserver directory correspondent`, `holder`, `manager`, `function`.

| kind          | over                               | may                                         |
| ------------- | ---------------------------------- | ------------------------------------------- |
| correspondent | a unit and those below it          | hand out codes, release what is held        |
| holder        | an establishment's or a function's | sign in to that mailbox as themselves       |
| manager       | a person, or a unit                | is their management correspondent           |

Each relation has its days; one that ended stays, for history.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.directory.subjects import (
    UnitOption,
    UntilOption,
    by_whom,
    calendar_of,
    day_typed,
    person_named,
    unit_named,
)
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.moments import clock
from mailserver.cli.options import ConfigOption, IdentifierArgument

if TYPE_CHECKING:
    from datetime import date

    from mailserver.store.ports.people import Event, Person, Relation, RelationKind
    from mailserver.store.ports.store import PeopleAndUnits
    from mailserver.values.calendar import Calendar
    from mailserver.values.ids import AccountId, UnitId

correspondent = typer.Typer(help="Who answers for a unit.", no_args_is_help=True)
holder = typer.Typer(help="Who signs in to a mailbox as themselves.", no_args_is_help=True)
manager = typer.Typer(help="Management correspondents.", no_args_is_help=True)
function = typer.Typer(help="Accounts of a role or a service.", no_args_is_help=True)

OfOption = Annotated[
    str, typer.Option("--of", metavar="IDENTIFIER", help="The account over which.")
]
OptionalIdentifier = Annotated[str, typer.Argument(metavar="[IDENTIFIER]", help="Only theirs.")]
HolderOption = Annotated[
    list[str] | None, typer.Option("--holder", metavar="IDENTIFIER", help="Who holds it.")
]


@correspondent.command("add")
def add_correspondent(
    identifier: IdentifierArgument,
    *,
    unit: UnitOption,
    until: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """Let a person answer for a unit and for those below it."""
    _add("correspondent", identifier, unit=unit, until=until, config=config)


@correspondent.command("end")
def end_correspondent(
    identifier: IdentifierArgument, *, unit: UnitOption, config: ConfigOption = None
) -> None:
    """Let them answer for it no longer, from now on."""
    _end("correspondent", identifier, unit=unit, config=config)


@correspondent.command("list")
def list_correspondents(
    identifier: OptionalIdentifier = "", *, unit: UnitOption = "", config: ConfigOption = None
) -> None:
    """List whose units they answer for, or who answers for a unit."""
    _list("correspondent", identifier, unit=unit, config=config)


@holder.command("add")
def add_holder(
    identifier: IdentifierArgument,
    *,
    of: OfOption,
    until: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """Let a person sign in to a mailbox as themselves: `IDENTIFIER*ACCOUNT`, own password."""
    _add("holder", identifier, of=of, until=until, config=config)


@holder.command("end")
def end_holder(
    identifier: IdentifierArgument, *, of: OfOption, config: ConfigOption = None
) -> None:
    """Let them sign in to it no longer, from now on."""
    _end("holder", identifier, of=of, config=config)


@holder.command("list")
def list_holders(
    identifier: OptionalIdentifier = "", *, of: OfOption = "", config: ConfigOption = None
) -> None:
    """List whose mailboxes they hold, or who holds one."""
    _list("holder", identifier, of=of, config=config)


@manager.command("add")
def add_manager(
    identifier: IdentifierArgument,
    *,
    of: OfOption = "",
    unit: UnitOption = "",
    until: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """Make someone the management correspondent of a person or of a unit."""
    _add("manager", identifier, of=of, unit=unit, until=until, config=config)


@manager.command("end")
def end_manager(
    identifier: IdentifierArgument,
    *,
    of: OfOption = "",
    unit: UnitOption = "",
    config: ConfigOption = None,
) -> None:
    """End it, from now on; what they sent before stays theirs."""
    _end("manager", identifier, of=of, unit=unit, config=config)


@manager.command("list")
def list_managers(
    identifier: OptionalIdentifier = "",
    *,
    of: OfOption = "",
    unit: UnitOption = "",
    config: ConfigOption = None,
) -> None:
    """List whom they manage, or who manages a person or a unit."""
    _list("manager", identifier, of=of, unit=unit, config=config)


@function.command("add")
def add_function(
    identifier: IdentifierArgument,
    *,
    address: Annotated[
        list[str], typer.Option(metavar="A", help="Where mail reaches it; the first is shown.")
    ],
    name: Annotated[str, typer.Option(metavar="N", help="What it is, for people to read.")],
    holders: HolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Make an account of a role or a service.

    It has no password: its holders sign in to it as themselves.
    """
    from mailserver.cli.new_names import checked_names
    from mailserver.store.ports.people import Kind, RelationKind

    settings, now_s = read_settings(config), time.time()
    addresses = checked_names(identifier, name, address, settings, is_role=True)
    with opened_store(settings) as store:
        people = [person_named(store.people, one) for one in holders or ()]
        account = store.accounts.add_account(
            identifier=identifier, name=name, addresses=addresses, now_s=now_s
        )
        store.people.set_kind(account.account_id, Kind.FUNCTION)
        for person in people:
            became = _became(RelationKind.HOLDER, now_s, None)
            _relate(store.people, RelationKind.HOLDER, person, became, of=account.account_id)
    print(f"{identifier}: {', '.join(addresses)}")


# --- one relation ----------------------------------------------------------------------


def _add(
    kind: str,
    identifier: str,
    *,
    of: str = "",
    unit: str = "",
    until: str = "",
    config: Path | None,
) -> None:
    from mailserver.store.ports.people import RelationKind

    wanted, now_s, last = RelationKind(kind), time.time(), day_typed("--until", until)
    settings = read_settings(config)
    until_s = None if last is None else calendar_of(settings).after(last)
    if until_s is not None and until_s <= now_s:
        raise Mistake(f"--until: {until} is over: write the last day")
    with opened_store(settings) as store:
        person = person_named(store.people, identifier)
        of_account, of_unit = _over(store.people, wanted, of, unit)
        if _current(store.people, wanted, person, (of_account, of_unit), now_s):
            raise Mistake(f"{identifier} is {kind} of {of or unit} already: end it first")
        event = _became(wanted, now_s, last)
        _relate(
            store.people, wanted, person, event, of=of_account, of_unit=of_unit, until_s=until_s
        )
    print(f"{identifier}: {kind} of {of or unit}")


def _end(kind: str, identifier: str, *, of: str = "", unit: str = "", config: Path | None) -> None:
    from mailserver.store.ports.people import Event, RelationKind

    wanted, now_s = RelationKind(kind), time.time()
    with opened_store(read_settings(config)) as store:
        person = person_named(store.people, identifier)
        of_account, of_unit = _over(store.people, wanted, of, unit)
        found = _current(store.people, wanted, person, (of_account, of_unit), now_s)
        if not found:
            raise Mistake(f"{identifier} is not {kind} of {of or unit}")
        for relation in found:
            store.people.end_relation(relation.relation_id, at_s=now_s)
        event = Event(
            at_s=now_s, by_whom=by_whom(), what=f"{kind} no longer", details=f"of {of or unit}"
        )
        store.people.note(person.account_id, event)
        if of_account is not None:
            store.people.note(of_account, _told_over(event, identifier))
    print(f"{identifier}: no longer {kind} of {of or unit}")


def _relate(
    people: PeopleAndUnits,
    kind: RelationKind,
    person: Person,
    event: Event,
    *,
    of: AccountId | None = None,
    of_unit: UnitId | None = None,
    until_s: float | None = None,
) -> None:
    people.relate(
        kind,
        person.account_id,
        of_account=of,
        of_unit=of_unit,
        since_s=event.at_s,
        until_s=until_s,
    )
    people.note(person.account_id, event)
    if of is not None:
        people.note(of, _told_over(event, person.identifier))


def _became(kind: RelationKind, now_s: float, last: date | None) -> Event:
    from mailserver.store.ports.people import Event

    until = "" if last is None else f"until {last}"
    return Event(at_s=now_s, by_whom=by_whom(), what=f"became {kind.value}", details=until)


def _told_over(event: Event, identifier: str) -> Event:
    """The same, in the history of the account over which it is."""
    from dataclasses import replace

    return replace(event, details=f"{identifier} {event.details}".strip())


def _over(
    people: PeopleAndUnits, kind: RelationKind, of: str, unit: str
) -> tuple[AccountId | None, UnitId | None]:
    """
    Raises:
        Mistake: not exactly one of them, or not one that can have this.
    """
    from mailserver.store.ports.people import Kind, RelationKind

    if bool(of) == bool(unit):
        raise Mistake("write --of IDENTIFIER or --unit CODE, one of them")
    if unit:
        return None, unit_named(people, unit).unit_id
    over = person_named(people, of)
    if kind is RelationKind.HOLDER and over.kind is Kind.PERSON:
        raise Mistake(f"{of} is a person: only an establishment's or a function's mailbox is held")
    return over.account_id, None


def _current(
    people: PeopleAndUnits,
    kind: RelationKind,
    person: Person,
    over: tuple[AccountId | None, UnitId | None],
    now_s: float,
) -> list[Relation]:
    return [
        one
        for one in people.relations_over(account_id=over[0], unit_id=over[1])
        if one.kind is kind and one.account_id == person.account_id and one.holds_at(now_s)
    ]


# --- lists -----------------------------------------------------------------------------


def _list(kind: str, identifier: str, *, of: str = "", unit: str = "", config: Path | None) -> None:
    from mailserver.store.ports.people import RelationKind

    wanted = RelationKind(kind)
    if bool(identifier) + bool(of) + bool(unit) != 1:
        raise Mistake("write an IDENTIFIER, or what they are over, one of them")
    settings = read_settings(config)
    with opened_store(settings) as store:
        if identifier:
            found = store.people.relations_of(person_named(store.people, identifier).account_id)
        else:
            of_account, of_unit = _over(store.people, wanted, of, unit)
            found = store.people.relations_over(account_id=of_account, unit_id=of_unit)
        lines = [
            _line(store.people, one, calendar_of(settings)) for one in found if one.kind is wanted
        ]
    if not lines:
        raise Failure("none")
    print("\n".join(lines))


def _line(people: PeopleAndUnits, relation: Relation, calendar: Calendar) -> str:
    over = people.name_over(relation)
    until = "" if relation.until_s is None else f" until {_end_words(relation.until_s, calendar)}"
    return f"{relation.identifier:<20} {over:<24} since {clock(relation.since_s)}{until}"


def _end_words(until_s: float, calendar: Calendar) -> str:
    """The last day of what ends at midnight; the moment of what a person ended at once."""
    return str(calendar.last_day(until_s)) if calendar.begins_day(until_s) else clock(until_s)
