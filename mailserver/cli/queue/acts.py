"""Acting on queued copies: which ones, how many, is it meant, then slice by slice.

A copy that an agent is trying at this moment is left alone: what becomes of it
is not ours to say.  As many copies are looked at as were counted, so a command
ends although new mail comes in.
"""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

import typer

from mailserver.cli.mistake import Failure, Mistake

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.operators import Deed, Operators, QueuedCopy, QueueFilter

SLICE: Final = 250
"""Copies of one transaction: the lock on the store is held for milliseconds."""
MANY: Final = 1_000
"""From here on a bar shows how far it has come."""
_ID = re.compile(r"([a-z2-7]{24})(?::([0-9]{1,9}))?", re.ASCII | re.IGNORECASE)

Advance = Callable[[int], None]


@dataclass(slots=True)
class ActTally:
    """What became of the copies that were meant."""

    done_count: int = 0
    leased_count: int = 0
    gone_count: int = 0  # left the queue, or changed, while we were at it
    hops: set[str] = field(default_factory=set)  # what the copies that were done wait for now


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a person typed to say which copies."""

    ids: tuple[str, ...] = ()
    sender: str | None = None
    recipient: str | None = None
    domain: str | None = None
    to: str | None = None

    @property
    def is_empty(self) -> bool:
        options = (self.sender, self.recipient, self.domain, self.to)
        return not self.ids and all(one is None for one in options)


# --- which -----------------------------------------------------------------------


def filters_of(selection: Selection) -> list[QueueFilter]:
    """One for each id; without ids, one for all that match.

    Raises:
        Mistake: an id has no shape of one.
    """
    from mailserver.store.ports.operators import QueueFilter
    from mailserver.values.address import fold_address, fold_domain

    def folded(text: str | None, fold: Callable[[str], str]) -> str | None:
        return None if text is None else fold(text.strip())

    rest = QueueFilter(
        sender=folded(selection.sender, lambda one: fold_address(_bare(one))),
        recipient=folded(selection.recipient, lambda one: fold_address(_bare(one))),
        domain=folded(selection.domain, lambda one: fold_domain(one.removeprefix("@"))),
        next_hop=folded(selection.to, fold_next_hop),
    )
    return [_with_id(rest, one) for one in dict.fromkeys(selection.ids)] or [rest]


def fold_next_hop(text: str) -> str:
    """A destination as the queue names it (`mailserver.routing.rules`)."""
    from mailserver.routing.rules import ROUTE_PREFIX
    from mailserver.values.address import fold_domain

    return text if text.startswith(ROUTE_PREFIX) else fold_domain(text)


def checked_next_hop(text: str, settings: Settings) -> str:
    """Where copies may be sent instead.

    Raises:
        Mistake: no domain, no literal, no route of the settings.
    """
    from mailserver.routing.rules import ROUTE_PREFIX, find_route
    from mailserver.settings.names import check_domain

    if text.startswith(ROUTE_PREFIX):
        route = find_route(settings.routes, text)
        if route is None or route.via not in {"smarthost", "lmtp"}:
            known = [one.name for one in settings.routes if one.via in {"smarthost", "lmtp"}]
            told = f"there are {', '.join(known)}" if known else "the settings have none"
            raise Mistake(f"no route {text.removeprefix(ROUTE_PREFIX)!r} leads to a host: {told}")
        return text
    if not _LITERAL.fullmatch(text):
        try:
            check_domain(text)
        except ValueError as error:
            raise Mistake(f"--via: {error}; or write [ADDRESS] or route:NAME") from error
    return fold_next_hop(text)


_LITERAL = re.compile(r"\[[0-9A-Fa-f:.]{3,45}\]|\[IPv6:[0-9A-Fa-f:.]{2,45}\]", re.ASCII)


def _with_id(rest: QueueFilter, text: str) -> QueueFilter:
    from mailserver.values.ids import parse_accept_id

    found = _ID.fullmatch(text.strip())
    if found is None:
        raise Mistake(f"{text!r} is not an id: write its 24 letters, and :N for one copy of it")
    copy_no = None if found[2] is None else int(found[2])
    return replace(rest, accept_id=parse_accept_id(found[1]), copy_no=copy_no)


def _bare(address: str) -> str:
    return address.removeprefix("<").removesuffix(">")


# --- acting ----------------------------------------------------------------------


def count(queue: Operators, filters: list[QueueFilter]) -> int:
    return sum(queue.count_queue(one) for one in filters)


def copies_in(queue: Operators, filters: list[QueueFilter], *, limit: int) -> Iterator[QueuedCopy]:
    """All that match, read in slices of `limit`."""
    for one in filters:
        after = None
        while page := queue.list_queue(one, after=after, limit=limit):
            yield from page
            after = page[-1].ref
            if len(page) < limit:
                break


def confirm(question: str, *, is_sure: bool) -> None:
    """
    Raises:
        Mistake: there is nobody to ask.
        Abort: they said no.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise Mistake("nobody to ask: add --yes to act on more than one copy")
    typer.confirm(question, abort=True)


def act(
    queue: Operators, filters: list[QueueFilter], deed: Deed, *, total: int, advance: Advance
) -> ActTally:
    """Slice by slice, each durable before the next."""
    from mailserver.store.ports.queue import Lane

    tally = ActTally()
    for copies in _sliced(islice(copies_in(queue, filters, limit=SLICE), total)):
        free = [copy.ref for copy in copies if copy.lane is not Lane.LEASED]
        done = queue.act_on(free, deed) if free else []
        tally.done_count += len(done)
        were_done = set(done)
        tally.hops |= {deed.next_hop or one.next_hop for one in copies if one.ref in were_done}
        tally.leased_count += len(copies) - len(free)
        tally.gone_count += len(free) - len(done)
        advance(len(copies))
    return tally


def asleep(queue: Operators, hops: set[str]) -> list[str]:
    """A line for each of these destinations that is suspended: nothing is tried there."""
    from mailserver.cli.moments import until

    return [
        f"{hop.next_hop} is suspended {until(hop.suspended_until_s)}: nothing is tried there"
        f" before; `mailserver queue resume {hop.next_hop}`"
        for hop in queue.list_destinations()
        if hop.next_hop in hops and hop.suspended_until_s is not None
    ]


def watched(total: int, work: Callable[[Advance], ActTally]) -> ActTally:
    """With a bar on a terminal, where there is much to do."""
    if total < MANY or not sys.stderr.isatty():
        return work(lambda _count: None)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("copies", total=total)
        return work(lambda count: progress.update(bar, advance=count))


def say(tally: ActTally, done_words: str) -> None:
    """
    Raises:
        Failure: nothing was done.
    """
    if tally.done_count:
        print(f"{counted(tally.done_count)} {done_words}")
    rest = []
    if tally.leased_count:
        rest.append(
            f"{counted(tally.leased_count)} left alone: an agent is trying them at this moment;"
            " try again shortly"
        )
    if tally.gone_count:
        rest.append(f"{counted(tally.gone_count)} not touched: nothing to do, or gone meanwhile")
    if not tally.done_count:
        raise Failure("; ".join(rest) or "nothing was done")
    for line in rest:
        print(line, file=sys.stderr)


def counted(number: int) -> str:
    return "1 copy" if number == 1 else f"{number} copies"


def checked_reason(text: str) -> str:
    """
    Raises:
        Mistake: it is not one line of text.
    """
    if not text.isprintable() or len(text) > 500:
        raise Mistake("--reason: write one line of at most 500 characters")
    return text.strip()


def whoever() -> str:
    """The name of this machine's user, for the journey."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _sliced(copies: Iterator[QueuedCopy]) -> Iterator[list[QueuedCopy]]:
    part: list[QueuedCopy] = []
    for copy in copies:
        part.append(copy)
        if len(part) == SLICE:
            yield part
            part = []
    if part:
        yield part
