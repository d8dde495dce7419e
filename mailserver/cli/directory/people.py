"""`mailserver directory arrive`, `move`, `leave`, `return`, `retire`: what happens to a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import moment_for, opened_store, read_settings
from mailserver.cli.directory.subjects import (
    DAY_S,
    UntilOption,
    by_whom,
    calendar_of,
    day_typed,
    doc_named,
    person_named,
    put,
    unit_named,
)
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, IdentifierArgument

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.people import PersonDoc
    from mailserver.store.ports.store import Store
    from mailserver.values.calendar import Calendar

OnOption = Annotated[
    str, typer.Option("--on", metavar="DATE", help="The day, as 2026-09-01. Default: today.")
]
LastDayOption = Annotated[
    str, typer.Option("--on", metavar="DATE", help="Their last day, as 2026-08-31.")
]
ToOption = Annotated[str, typer.Option("--to", metavar="CODE", help="The unit where they go.")]
FromOption = Annotated[
    str, typer.Option("--from", metavar="CODE", help="Leave this unit only. Default: all others.")
]
FunctionOption = Annotated[
    str, typer.Option("--function", metavar="WORDS", help="What they do there.")
]
SubjectOption = Annotated[
    str, typer.Option("--subject", metavar="WORDS", help="What they teach, if they do.")
]

Decide = Callable[["Store", "Settings", "PersonDoc", float], "PersonDoc"]
Then = Callable[["Store", "PersonDoc", "PersonDoc", float], None]


def arrive(
    identifier: IdentifierArgument, *, on: OnOption = "", config: ConfigOption = None
) -> None:
    """Let somebody who is expected be present, at once or from a day on."""
    from mailserver.directory.deciding import moves

    day = day_typed("--on", on)

    def decide(_store: Store, settings: Settings, doc: PersonDoc, now_s: float) -> PersonDoc:
        calendar = calendar_of(settings)
        return moves.arrive(doc, on=day or calendar.day_of(now_s), calendar=calendar, now_s=now_s)

    _act(identifier, config, decide)


def move(
    identifier: IdentifierArgument,
    *,
    to: ToOption,
    function: FunctionOption = "",
    subject: SubjectOption = "",
    leaving: FromOption = "",
    on: OnOption = "",
    config: ConfigOption = None,
) -> None:
    """Give a person a post in another unit; identifier, addresses and mail stay.

    Whoever was correspondent of a unit that they leave is so no longer.
    """
    from mailserver.directory.deciding import moves
    from mailserver.store.ports.people import PostDoc

    day = day_typed("--on", on)

    def decide(store: Store, settings: Settings, doc: PersonDoc, now_s: float) -> PersonDoc:
        same = doc.posts[0].function if doc.posts else ""
        if not (function or same):
            raise Mistake("--function: write what they do there, as enseignant")
        post = PostDoc(unit_named(store.people, to).doc.code, function or same, subject)
        code = unit_named(store.people, leaving).doc.code if leaving else ""
        calendar = calendar_of(settings)
        return moves.move(doc, to=post, leaving=code, on=day, calendar=calendar, now_s=now_s)

    _act(identifier, config, decide, then=_end_answering)


def _end_answering(store: Store, before: PersonDoc, after: PersonDoc, now_s: float) -> None:
    """What they are correspondent of until some day, too, which stands in no document."""
    from mailserver.store.ports.people import Event, RelationKind

    person = person_named(store.people, after.identifier)
    codes = {post.unit_code for post in before.posts} - {post.unit_code for post in after.posts}
    units = {
        unit.unit_id: code for code in codes if (unit := store.people.find_unit(code)) is not None
    }
    for one in store.people.relations_of(person.account_id):
        is_over = one.until_s is not None and one.until_s <= now_s
        if one.kind is RelationKind.CORRESPONDENT and one.of_unit in units and not is_over:
            store.people.end_relation(one.relation_id, at_s=now_s)
            details = f"of {units[one.of_unit]} no longer"
            event = Event(at_s=now_s, by_whom=by_whom(), what="correspondent", details=details)
            store.people.note(person.account_id, event)


def leave(
    identifier: IdentifierArgument,
    *,
    on: OnOption = "",
    until: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """Note a leave: they sign in and get mail as before, and are present again after it."""
    from mailserver.directory.deciding import moves

    first, last = day_typed("--on", on), day_typed("--until", until)
    _act(
        identifier,
        config,
        lambda _store, settings, doc, now_s: moves.take_leave(
            doc, on=first, until=last, calendar=calendar_of(settings), now_s=now_s
        ),
    )


def come_back(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Let somebody be present again: after a leave, or because they do not leave after all."""
    from mailserver.directory.deciding import moves

    _act(identifier, config, lambda _store, _settings, doc, _now_s: moves.come_back(doc))


def retire(
    identifier: IdentifierArgument, *, on: LastDayOption, config: ConfigOption = None
) -> None:
    """Note a retirement or another departure: they are there until that day is over.

    Then they sign in no more; their mail is forwarded if they asked for it, for
    as long as `left_days` says; then the account is gone and its names are kept.
    """
    from mailserver.directory.deciding import moves

    day = day_typed("--on", on)
    if day is None:
        raise Mistake("--on: write their last day, as 2026-08-31")
    _act(
        identifier,
        config,
        lambda _store, settings, doc, now_s: moves.retire(
            doc,
            on=day,
            calendar=calendar_of(settings),
            now_s=now_s,
            left_s=settings.directory.left_days * DAY_S,
        ),
    )


def _act(identifier: str, config: Path | None, decide: Decide, *, then: Then | None = None) -> None:
    """Read the document, decide, put it, and say what became of it."""
    from mailserver.directory.deciding.moves import CannotMove, words
    from mailserver.store.ports.people import Change

    settings = read_settings(config)
    with opened_store(settings) as store:
        before, now_s = doc_named(store.people, identifier), moment_for(store.clock)
        try:
            after = decide(store, settings, before, now_s)
        except CannotMove as error:
            raise Mistake(str(error)) from error
        if after != before:
            put(store.people, settings, Change(before=before, after=after), now_s=now_s)
        if then is not None:
            then(store, before, after, now_s)
    told = "; ".join(words(before, after)) or "nothing to change"
    print(f"{identifier}: {told}{_until(after, calendar_of(settings))}")


def _until(doc: PersonDoc, calendar: Calendar) -> str:
    from mailserver.store.ports.people import Life

    if doc.life_until_s is None:
        return ""
    if doc.life is Life.EXPECTED:
        return f", present from {calendar.day_of(doc.life_until_s)} on"
    return f" until {calendar.last_day(doc.life_until_s)}"
