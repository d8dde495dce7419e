"""`mailserver trace`: what became of a message, found by address, Message-ID or id."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.cli.queue.trace_words import journey_facts, journey_lines
from mailserver.texts.plurals import counted
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from mailserver.store.ports.history import Journey, Journeys

_ID = re.compile(r"([a-z2-7]{24})(?::([0-9]{1,9}))?", re.ASCII | re.IGNORECASE)

WantedArgument = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS|MESSAGE-ID|ID",
        help="A sender or recipient, a Message-ID, or the id that replies and trace headers show.",
    ),
]
LimitOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=1000, help="At most so many messages.")
]


def trace(
    wanted: WantedArgument,
    *,
    limit: LimitOption = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the journeys of messages, the most recent first; exit 1 where there is none."""
    if not wanted.strip():
        raise Mistake("write an address, a Message-ID or an id")
    with opened_store(read_settings(config)) as store:
        journeys, unsearched_count = find(store.history, wanted.strip(), limit=limit)
    for journey in journeys:
        if as_json:
            print(json.dumps(journey_facts(journey)))
        else:
            print("\n".join(journey_lines(journey)))
    if unsearched_count:
        told = f"{unsearched_count} older messages are not indexed yet: try again in a moment"
        print(told, file=sys.stderr)
    if not journeys:
        raise Failure(f"nothing about {shown(wanted)} in the history of this service")


# --- finding --------------------------------------------------------------------


def find(journeys: Journeys, wanted: str, *, limit: int) -> tuple[list[Journey], int]:
    """The journeys that are meant, with the copies that are meant, and how many went unseen."""
    from mailserver.store.ports.history import Sightings
    from mailserver.values.ids import parse_accept_id

    named = _ID.fullmatch(wanted)
    if named is not None:
        found = journeys.journey(parse_accept_id(named[1]))
        return ([] if found is None else [_only_copy(found, named[2])]), 0
    by_id = journeys.journeys_named(wanted, limit=limit)
    bare = wanted.removeprefix("<").removesuffix(">")
    by_address = (
        journeys.journeys_of(bare, limit=limit)
        if bare
        else Sightings(journeys=(), unsearched_count=0)
    )
    whole = {one.message_id: one for one in by_id.journeys}
    seen = {one.message_id: _copies_of(one, bare) for one in by_address.journeys} | whole
    newest_first = sorted(seen.values(), key=lambda one: -one.message_id)
    return newest_first[:limit], max(by_id.unsearched_count, by_address.unsearched_count)


def _only_copy(journey: Journey, copy_no: str | None) -> Journey:
    if copy_no is None:
        return journey
    copies = tuple(copy for copy in journey.copies if copy.copy_no == int(copy_no))
    if not copies:
        told = counted(len(journey.copies), "copy", "copies")
        raise Mistake(f"this message has {told}, and none is {copy_no}")
    return replace(journey, copies=copies)


def _copies_of(journey: Journey, address: str) -> Journey:
    """All of them for the sender, else those to that address."""
    from mailserver.values.address import fold_address

    key = fold_address(address)
    if fold_address(journey.reverse_path) == key:
        return journey
    return replace(
        journey, copies=tuple(one for one in journey.copies if fold_address(one.recipient) == key)
    )
