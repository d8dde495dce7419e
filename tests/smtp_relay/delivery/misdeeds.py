"""Good mail beside bad peers: one agent over a real store, one destination for each misdeed.

Each bad peer comes to the point where it will misbehave, and waits there until
a healthy copy to another destination has gone through beside it; then it does
its worst.  What came of each is read from the store, as `mailserver trace`
does.  All of them are lived through at once: the table costs one agent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mailserver.cli.queue.trace_words import journey_lines
from mailserver.queue.copies import CopyState
from mailserver.store.ports.history import CopyStep, Journey
from mailserver.store.ports.store import Store
from mailserver.values.message import Acceptance
from smtp_relay.delivery.agent.means import Resolutions
from smtp_relay.delivery.client.options import Times
from smtp_relay.delivery.client.trust import Contexts
from smtp_relay.delivery.plan import DeliveryPlan, Resolution
from smtp_relay.delivery.verdicts import Phase
from tests.smtp_relay.delivery.agent.agency import Agency, open_agency, way_to
from tests.smtp_relay.delivery.peers import Peer, Wire, take_all
from tests.store.letters import BODY
from tests.store.queued import outgoing

HEALTHY = "healthy.test"
PATIENT = Times(quit_s=0.05)
LARGE_OCTETS = 16 * 1024 * 1024

Deed = Callable[[Wire], Awaitable[None]]


class Gate:
    """Where bad peers wait for the healthy copy."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.opened = asyncio.Event()

    async def wait(self, name: str) -> None:
        self.waiting.add(name)
        await self.opened.wait()


class End(NamedTuple):
    """How one copy ends.  words: a part of what its last attempt says."""

    state: CopyState
    status: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One bad destination, `name`.test.

    phase, deed: where it misbehaves, and how; None: nobody listens there.
    ends: of each of its copies in turn; by default one copy, of which others know the end.
    times: how long the agent waits for it.
    """

    name: str
    phase: Phase = Phase.GREETING
    deed: Deed | None
    ends: tuple[End, ...] = ()
    times: Times = PATIENT

    @property
    def domain(self) -> str:
        return f"{self.name}.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of the letter to one destination."""

    journey: Journey
    wires: list[Wire]

    @property
    def copies(self) -> tuple[CopyStep, ...]:
        return self.journey.copies

    @property
    def told(self) -> str:
        """As `mailserver trace` prints it."""
        return "\n".join(journey_lines(self.journey))

    @property
    def heard(self) -> list[str]:
        return [line for wire in self.wires for line in wire.lines]


async def reach(wire: Wire, phase: Phase, *offers: str) -> None:
    """Behave until the client waits for what belongs to `phase`."""
    if phase is Phase.GREETING:
        return
    await wire.say("220 peer.test ESMTP")
    if phase is Phase.HELLO:
        await wire.expect("EHLO ")
        return
    await wire.answer_hello(*offers, *(["STARTTLS"] if phase is Phase.TLS else []))
    if phase is Phase.TLS:
        await wire.expect("STARTTLS")
        return
    await wire.expect("MAIL")
    if phase is Phase.MAIL:
        return
    await wire.say("250 2.1.0 ok")
    await wire.expect("RCPT")
    if phase is Phase.RCPT:
        return
    while (await _answered(wire, "250 2.1.5 ok")).startswith("RCPT"):
        pass
    if phase is Phase.DATA:
        return
    if phase is Phase.BODY:
        wire.stop_reading()  # so that its end is not sent: it is larger than what sockets hold
    await wire.say("354 go")
    if phase is Phase.DOT:
        await wire.message()


async def _answered(wire: Wire, answer: str) -> str:
    """The command after this answer."""
    await wire.say(answer)
    return await wire.line()


async def live_through(
    folder: Path,
    cases: Iterable[Case],
    *,
    others: Callable[[Mapping[str, int]], Resolutions] | None = None,
    trust: Contexts | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, Story]:
    """Send one letter to each case's destination and see all of them to their end.

    others: who finds the ways, from the port of each domain; else they are straight.
    meanwhile: called once the healthy copy has gone through.
    """
    gate = Gate()
    every = list(cases)
    async with contextlib.AsyncExitStack() as stack:
        good = await stack.enter_async_context(Peer(take_all))
        peers = {case.domain: await _open_peer(stack, case, gate) for case in every if case.deed}
        ports = {domain: peer.port for domain, peer in peers.items()}
        patience = {ports[one.domain]: one.times for one in every if one.domain in ports}
        resolutions = [way_to(HEALTHY, good.port)]
        if others is None:
            resolutions += [way_to(one.domain, ports.get(one.domain, 1)) for one in every]
        agency = await stack.enter_async_context(
            open_agency(
                folder,
                *resolutions,
                others=others(ports) if others else None,
                times_of=lambda hop: patience.get(hop.port, PATIENT),
                trust=trust,
            )
        )
        letters = {case.domain: _letter(agency.store, case, agency.clock()) for case in every}
        agency.accept(*letters.values())
        await agency.until(lambda: gate.waiting >= {one.name for one in every if _waits(one)})
        await _relay_a_healthy_one(agency, good)
        gate.opened.set()
        meanwhile()
        await agency.until_settled()
        return {
            case.name: Story(
                journey=_journey(agency, letters[case.domain]),
                wires=peers[case.domain].wires if case.deed else [],
            )
            for case in every
        }


def _waits(case: Case) -> bool:
    """Who is given up for being late cannot be held back."""
    return case.deed is not None and case.times is PATIENT


async def _open_peer(stack: contextlib.AsyncExitStack, case: Case, gate: Gate) -> Peer:
    return await stack.enter_async_context(Peer(partial(_misbehave, case, gate)))


async def _misbehave(case: Case, gate: Gate, wire: Wire) -> None:
    await reach(wire, case.phase)
    if _waits(case):
        await gate.wait(case.name)
    assert case.deed is not None
    await case.deed(wire)


def _letter(store: Store, case: Case, now_s: float) -> Acceptance:
    recipients = [f"u{number}@{case.domain}" for number in range(len(case.ends) or 1)]
    one = outgoing(*recipients, hop=case.domain, at_s=now_s)
    if case.phase is not Phase.BODY:
        return one
    spool = store.bodies.open_spool()
    spool.write(BODY + (b"x" * 998 + b"\r\n") * (LARGE_OCTETS // 1000))
    return replace(one, body=spool.commit())


async def _relay_a_healthy_one(agency: Agency, good: Peer) -> None:
    one = outgoing(hop=HEALTHY, at_s=agency.clock())
    agency.accept(one)
    await agency.until(lambda: _journey(agency, one).copies[0].state is CopyState.RELAYED)
    assert len(good.messages) == 1


def _journey(agency: Agency, one: Acceptance) -> Journey:
    journey = agency.store.history.journey(one.accept_id)
    assert journey is not None
    return journey


@dataclass(frozen=True, slots=True)
class Ported:
    """The ways that `finder` finds, with the port at which each domain's peer listens here."""

    finder: Resolutions
    ports: Mapping[str, int]

    async def find(self, next_hop: str) -> Resolution:
        resolution = await self.finder.find(next_hop)
        if not isinstance(resolution, DeliveryPlan) or next_hop not in self.ports:
            return resolution
        hops = tuple(replace(hop, port=self.ports[next_hop]) for hop in resolution.hops)
        return replace(resolution, hops=hops)

    def forget(self, next_hop: str) -> None:
        self.finder.forget(next_hop)
