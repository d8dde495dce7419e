"""`mailserver queue`: what waits and why, and what a person does about it."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.moments import parse_duration, until
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.cli.queue import acts
from mailserver.cli.queue.options import (
    AllOption,
    DestinationArgument,
    DomainOption,
    ForOption,
    IdArgument,
    IdsArgument,
    LimitOption,
    ReasonOption,
    RecipientOption,
    SenderOption,
    StateOption,
    ToOption,
    YesOption,
)
from mailserver.cli.queue.words import (
    COPY_COLUMNS,
    HOP_COLUMNS,
    copy_cells,
    copy_facts,
    copy_row,
    hop_facts,
    hop_row,
    is_of_interest,
    print_rows,
    waiting_count,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from mailserver.store.ports.operators import Act, QueueFilter

TERMINAL_ROWS = 200
"""A terminal shows so many copies; a pipe gets all."""
LIST_SLICE = 1_000

app = typer.Typer(help="What waits for other servers, and why.", no_args_is_help=True)


# --- seeing -----------------------------------------------------------------------


@app.command("list")
def list_copies(
    ids: IdsArgument = None,
    *,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    state: StateOption = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List queued copies, the oldest first: a table, or a line each when piped."""
    selection = _selection(ids, sender, recipient, domain, to)
    filters = _in_state(acts.filters_of(selection), state)
    console = None if as_json else _console()
    limit = limit or (TERMINAL_ROWS if console is not None else sys.maxsize)
    with opened_store(read_settings(config)) as store:
        total = acts.count(store.queue, filters)
        copies = acts.copies_in(store.queue, filters, limit=min(limit, LIST_SLICE))
        shown = (copy for copy, _ in zip(copies, range(limit), strict=False))
        if as_json:
            for copy in shown:
                print(json.dumps(copy_facts(copy)))
        elif total:
            cells = copy_row if console is None else copy_cells
            print_rows(COPY_COLUMNS, map(cells, shown), console=console)
    if not as_json:
        _say_rest(total, limit, is_whole=selection.is_empty and state is None)


@app.command()
def show(message: IdArgument, *, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what waits of one message: each copy, its attempts, its next try."""
    from dataclasses import replace

    from mailserver.cli.queue.trace import find
    from mailserver.cli.queue.trace_words import journey_facts, journey_lines

    (which,) = acts.filters_of(acts.Selection(ids=(message,)))
    with opened_store(read_settings(config)) as store:
        waiting = {
            copy.ref.copy_no for copy in acts.copies_in(store.queue, [which], limit=LIST_SLICE)
        }
        found, _ = find(store.history, message, limit=1) if waiting else ([], 0)
    if not found:
        raise Failure(f"nothing of {message} is queued: `mailserver trace {message}` says more")
    copies = tuple(copy for copy in found[0].copies if copy.copy_no in waiting)
    journey = replace(found[0], copies=copies)
    if as_json:
        print(json.dumps(journey_facts(journey)))
    else:
        print("\n".join(journey_lines(journey)))


@app.command()
def destinations(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show for each destination how many copies wait, why, and when it is tried next."""
    with opened_store(read_settings(config)) as store:
        hops = [hop for hop in store.queue.list_destinations() if is_of_interest(hop)]
    if as_json:
        for hop in hops:
            print(json.dumps(hop_facts(hop)))
    elif hops:
        print_rows(HOP_COLUMNS, map(hop_row, hops), console=_console())
    else:
        print("nothing waits for any destination", file=sys.stderr)


# --- acting on copies ------------------------------------------------------------------


@app.command()
def hold(
    ids: IdsArgument = None,
    *,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    everything: AllOption = False,
    reason: ReasonOption = "held by an operator",
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Keep copies where they are until `release`, `return` or `cancel`."""
    selection = _selection(ids, sender, recipient, domain, to)
    _act("HOLD", selection, config, reason=reason, yes=yes, everything=everything)


@app.command()
def release(
    ids: IdsArgument = None,
    *,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    everything: AllOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Let held copies go on."""
    selection = _selection(ids, sender, recipient, domain, to)
    _act("RELEASE", selection, config, yes=yes, everything=everything)


@app.command()
def retry(
    ids: IdsArgument = None,
    *,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    everything: AllOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Try copies at once, and their destinations with them."""
    selection = _selection(ids, sender, recipient, domain, to)
    _act("RETRY", selection, config, yes=yes, everything=everything)


@app.command()
def reroute(
    ids: IdsArgument = None,
    *,
    via: Annotated[
        str,
        typer.Option(
            metavar="DESTINATION", help="Where they go instead: a domain, [ADDRESS], route:NAME."
        ),
    ],
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    everything: AllOption = False,
    reason: ReasonOption = "",
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Send copies another way; the recipient stays the same."""
    selection = _selection(ids, sender, recipient, domain, to)
    _act("REROUTE", selection, config, reason=reason, yes=yes, everything=everything, via=via)


@app.command("return")
def return_(
    ids: IdsArgument = None,
    *,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    everything: AllOption = False,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; the sender reads it in the report.")
    ] = "The postmaster of this service has returned the message.",
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Give copies up and tell their senders so."""
    selection = _selection(ids, sender, recipient, domain, to)
    _act("RETURN", selection, config, reason=reason, yes=yes, everything=everything)


@app.command()
def cancel(
    ids: IdsArgument = None,
    *,
    reason: ReasonOption,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    to: ToOption = None,
    everything: AllOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Remove copies from the queue and tell nobody."""
    selection = _selection(ids, sender, recipient, domain, to)
    _act("CANCEL", selection, config, reason=reason, yes=yes, everything=everything)


# --- acting on destinations ---------------------------------------------------------------


@app.command()
def suspend(
    destination: DestinationArgument, *, length: ForOption = None, config: ConfigOption = None
) -> None:
    """Try nothing for this destination for a while; mail for it is still accepted."""
    hop = acts.fold_next_hop(destination.strip())
    now_s = time.time()
    until_s = None if length is None else now_s + _seconds(length)
    with opened_store(read_settings(config)) as store:
        waiting = {one.next_hop for one in store.queue.list_destinations() if waiting_count(one)}
        store.queue.suspend(hop, until_s=until_s, now_s=now_s)
    print(f"{hop}: suspended {'until it is resumed' if until_s is None else until(until_s)}")
    if hop not in waiting:
        known = ", ".join(sorted(waiting)[:5])
        there_is = f"mail waits for {known}" if known else "no mail waits for anything"
        print(f"nothing waits for {hop}; {there_is}", file=sys.stderr)


@app.command()
def resume(destination: DestinationArgument, *, config: ConfigOption = None) -> None:
    """End a suspension; what waits is due at once."""
    hop = acts.fold_next_hop(destination.strip())
    with opened_store(read_settings(config)) as store:
        was_suspended = store.queue.resume(hop)
    if not was_suspended:
        raise Failure(f"{hop} was not suspended: `mailserver queue destinations` shows all")
    print(f"{hop}: resumed")


# --- within ---------------------------------------------------------------------------


_QUESTION = {
    "HOLD": "Hold {what}?",
    "RELEASE": "Release {what}?",
    "RETRY": "Try {what} at once?",
    "REROUTE": "Send {what} by {via}?",
    "RETURN": "Return {what} to their senders?",
    "CANCEL": "Remove {what} and tell nobody?",
}
_WANT_TRIES = frozenset({"RELEASE", "RETRY", "REROUTE"})
_DONE = {
    "HOLD": "held",
    "RELEASE": "released",
    "RETRY": "due at once",
    "REROUTE": "now for {via}",
    "RETURN": "returned; senders who may be told will be",
    "CANCEL": "cancelled",
}


def _act(
    name: str,
    selection: acts.Selection,
    config: Path | None,
    *,
    yes: bool,
    everything: bool,
    reason: str = "",
    via: str = "",
) -> None:
    """Which, how many, is it meant, then slice by slice."""
    from mailserver.store.ports.operators import Act, Deed

    if selection.is_empty and not everything:
        raise Mistake("say which: an id, --sender, --recipient, --domain, --to, or --all")
    settings = read_settings(config)
    filters = _meant_by(Act[name], acts.filters_of(selection))
    hop = acts.checked_next_hop(via.strip(), settings) if via else ""
    reason = acts.checked_reason(reason)
    deed = Deed(act=Act[name], by=acts.whoever(), reason=reason, at_s=time.time(), next_hop=hop)
    with opened_store(settings) as store:
        total = acts.count(store.queue, filters)
        if not total:
            raise Failure(f"nothing in the queue {'is held' if name == 'RELEASE' else 'matches'}")
        question = _QUESTION[name].format(what=acts.counted(total), via=hop)
        acts.confirm(question, is_sure=yes or total == 1)
        tally = acts.watched(
            total,
            lambda advance: acts.act(store.queue, filters, deed, total=total, advance=advance),
        )
        asleep = acts.asleep(store.queue, tally.hops) if name in _WANT_TRIES else []
    acts.say(tally, _DONE[name].format(via=hop))
    for words in asleep:
        print(words, file=sys.stderr)


def _meant_by(act: Act, filters: list[QueueFilter]) -> list[QueueFilter]:
    """Only what is held can be released."""
    return _in_state(filters, "held") if act.name == "RELEASE" else filters


def _in_state(filters: list[QueueFilter], state: str | None) -> list[QueueFilter]:
    from dataclasses import replace

    from mailserver.store.ports.queue import Lane

    if state is None:
        return filters
    lane = Lane.__members__.get(state.strip().upper())
    if lane is None:
        raise Mistake(f"no state {state!r}: write first, waiting, leased or held")
    return [replace(one, lane=lane) for one in filters]


def _selection(ids: list[str] | None, *options: str | None) -> acts.Selection:
    sender, recipient, domain, to = options
    named: dict[str, Any] = {"sender": sender, "recipient": recipient, "domain": domain, "to": to}
    for name, text in named.items():
        if text is not None and not text.strip():
            raise Mistake(f"--{name}: it is empty")
    return acts.Selection(ids=tuple(ids or ()), **named)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Mistake(f"--for: {error}") from error


def _console() -> Console | None:
    """Only a terminal gets a table."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    return Console(highlight=False)


def _say_rest(total: int, limit: int, *, is_whole: bool) -> None:
    if not total:
        words = "the queue is empty" if is_whole else "nothing in the queue matches"
        print(words, file=sys.stderr)
    elif total > limit:
        print(f"{total - limit} more: --limit, --json or a pipe shows them", file=sys.stderr)
