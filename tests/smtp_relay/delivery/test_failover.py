"""A host that says "not now", over real sockets: who takes the copy, who rests, what is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.process import find_free_ports
from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.history import CopyStep
from mailserver.values.message import Acceptance, Notify
from smtp_relay.delivery.plan import DeliveryPlan
from smtp_relay.delivery.schedule.orders import Limits
from smtp_relay.delivery.schedule.outcomes import MAY_HAVE_ARRIVED
from tests import programs
from tests.smtp_relay.delivery.agent.agency import TIMES, Agency, open_agency, way_to
from tests.smtp_relay.delivery.agent.test_agent import letters, run
from tests.smtp_relay.delivery.peers import Gone, Peer, Script, Wire, take_all
from tests.smtp_relay.delivery.private_postfix import open_folder, running_postfix
from tests.store.queued import HOP

Told = Callable[[Agency, Peer, Peer], Awaitable[None]]


def says(at: str, answer: str, *offers: str) -> Script:
    """Takes all, but for what begins with `at`."""

    async def script(wire: Wire) -> None:
        await wire.say(answer if at == "greeting" else "220 peer.test ESMTP")
        if at == "EHLO":
            await wire.line()
            await wire.say(answer)
        elif at != "greeting":
            await wire.answer_hello(*offers)
        with contextlib.suppress(Gone):
            await _play(wire, at, answer)

    return script


async def _play(wire: Wire, at: str, answer: str) -> None:
    accepted_count = 0
    while (line := await wire.line()) != "QUIT":
        if line.startswith("MAIL"):
            accepted_count = 0
        if line.startswith(at):
            await wire.say(answer)
            if answer.startswith("421"):
                return
        elif line == "DATA" and accepted_count:
            await wire.say("354 go")
            await wire.message()
            await wire.say(answer if at == "." else "250 2.0.0 queued")
        elif line == "DATA" or (line.startswith("RCPT") and at == "MAIL"):
            await wire.say("503 5.5.1 out of order")
        else:
            accepted_count += line.startswith("RCPT")
            await wire.say("250 2.1.0 ok")


def resolution(*ports: int) -> DeliveryPlan:
    """MX 10, MX 20, ..."""
    straight = way_to(HOP, *ports)
    hops = [replace(hop, preference=10 * n + 10) for n, hop in enumerate(straight.hops)]
    return replace(straight, hops=tuple(hops))


def meet(tmp_path: Path, first: Script, second: Script, told: Told, **more: object) -> None:
    async def story() -> None:
        async with (
            Peer(first) as one,
            Peer(second) as two,
            open_agency(tmp_path, resolution(one.port, two.port), **more) as agency,  # type: ignore[arg-type]
        ):
            await told(agency, one, two)

    run(story)


def copies_of(agency: Agency, sent: Acceptance) -> tuple[CopyStep, ...]:
    journey = agency.store.history.journey(sent.accept_id)
    assert journey is not None
    return journey.copies


HOST = [
    ("greeting", "421 4.3.2 busy"),
    ("greeting", "450 4.3.2 busy"),
    ("greeting", "554 5.7.1 not you"),
    ("EHLO", "451 4.3.0 later"),
    ("EHLO", "421 4.3.0 later"),
    ("MAIL", "451 4.3.0 later"),
    ("MAIL", "450 4.7.1 too much mail"),
    ("MAIL", "421 4.7.0 too much mail"),
    ("RCPT", "421 4.3.2 bye"),
    ("DATA", "421 4.3.2 bye"),
    (".", "421 4.3.2 bye"),
]


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)], ids=["plain", "pipelined"])
@pytest.mark.parametrize(("at", "answer"), HOST)
def test_a_host_that_takes_nothing_rests_and_the_next_one_is_asked_now(
    tmp_path: Path, at: str, answer: str, offers: tuple[str, ...]
) -> None:
    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        (one,) = letters(1)
        agency.accept(one)
        await agency.until_empty()
        (copy,) = copies_of(agency, one)
        assert copy.state is CopyState.RELAYED
        if at not in {"greeting", "EHLO"}:
            before, last = copy.attempts
            assert answer in before.attempt.words
            assert before.attempt.address == f"[127.0.0.1]:{first.port}"
            assert before.outcome is CopyState.QUEUED
            assert last.attempt.address == f"[127.0.0.1]:{second.port}"
        asked_count = len(first.wires)
        agency.accept(*letters(4)[1:])
        await agency.until_empty()
        assert len(first.wires) == asked_count
        assert len(second.messages) == 4

    meet(tmp_path, says(at, answer, *offers), take_all, told)


COPY = [
    ("RCPT", "450 4.2.0 greylisted"),
    ("RCPT", "451 4.3.0 look-up failed"),
    ("RCPT", "452 4.2.2 mailbox full"),
    ("DATA", "451 4.3.0 later"),
    (".", "451 4.7.1 greylisted"),
    (".", "452 4.3.1 disk full"),
]


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)], ids=["plain", "pipelined"])
@pytest.mark.parametrize(("at", "answer"), COPY)
def test_copies_that_a_host_does_not_take_now_go_on_and_it_does_not_rest(
    tmp_path: Path, at: str, answer: str, offers: tuple[str, ...]
) -> None:
    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        (one,) = letters(1)
        agency.accept(one)
        await agency.until_empty()
        (copy,) = copies_of(agency, one)
        assert [past.outcome for past in copy.attempts] == [CopyState.QUEUED, CopyState.RELAYED]
        assert answer in copy.attempts[0].attempt.words
        heard_count = len(first.heard)
        agency.accept(*letters(2)[1:])
        await agency.until_empty()
        assert any(line.startswith("MAIL") for line in first.heard[heard_count:])
        assert len(second.messages) == 2
        assert all(not place.not_before_s for place in agency.store.queue.list_destinations())

    meet(tmp_path, says(at, answer, *offers), take_all, told)


async def _greylist_one(wire: Wire) -> None:
    await wire.greet("PIPELINING")
    while (line := await wire.line()) != "QUIT":
        if line.startswith("RCPT TO:<grey@"):
            await wire.say("450 4.2.0 greylisted")
        elif line == "DATA":
            await wire.say("354 go")
            await wire.message()
            await wire.say("250 2.0.0 queued")
        else:
            await wire.say("250 2.1.0 ok")


def test_one_greylisted_mailbox_moves_nobody_elses_mail(tmp_path: Path) -> None:
    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        sent = [
            *letters(1, f"grey@{HOP}", f"marie@{HOP}", f"paul@{HOP}"),
            *letters(20, f"luc@{HOP}")[1:],
        ]
        agency.accept(*sent)
        await agency.until_empty()
        grey, *others = copies_of(agency, sent[0])
        assert len(grey.attempts) == 2
        assert all(len(copy.attempts) == 1 for copy in others)
        recipients = [line for line in second.heard if line.startswith("RCPT")]
        assert recipients == [f"RCPT TO:<grey@{HOP}>"]

    meet(tmp_path, _greylist_one, take_all, told)


def test_where_all_say_not_now_it_waits_and_the_next_try_begins_with_the_first(
    tmp_path: Path,
) -> None:
    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        (one,) = letters(1)
        agency.accept(one)
        await agency.until_settled()
        (queued,) = agency.queued()
        assert (queued.attempt_count, queued.due_at_s) == (1, agency.clock() + 300)
        ports = [past.attempt.address for past in copies_of(agency, one)[0].attempts]
        assert ports == [f"[127.0.0.1]:{first.port}", f"[127.0.0.1]:{second.port}"]
        agency.clock.now_s += 400
        agency.store.queue.wake_agents()
        await agency.until(lambda: len(copies_of(agency, one)[0].attempts) == 4)
        ports = [past.attempt.address for past in copies_of(agency, one)[0].attempts]
        assert ports[2:] == [f"[127.0.0.1]:{first.port}", f"[127.0.0.1]:{second.port}"]

    grey = says("RCPT", "450 4.2.0 greylisted")
    meet(tmp_path, grey, grey, told)


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
def test_a_connection_that_ends_before_the_message_goes_on_to_the_next_host(
    tmp_path: Path, at: str
) -> None:
    async def leaves(wire: Wire) -> None:
        await wire.greet()
        while not (await wire.line()).startswith(at):
            await wire.say("250 2.1.0 ok")

    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        (one,) = letters(1)
        agency.accept(one)
        await agency.until_empty()
        before, last = copies_of(agency, one)[0].attempts
        assert "closed the connection" in before.attempt.words
        assert last.outcome is CopyState.RELAYED
        assert len(first.wires) == 1

    meet(tmp_path, leaves, take_all, told)


def test_a_connection_that_ends_after_the_message_is_never_followed_by_another_host_at_once(
    tmp_path: Path,
) -> None:
    async def leaves(wire: Wire) -> None:
        await wire.greet()
        await wire.envelope()
        await wire.message()

    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        agency.accept(*letters(1))
        await agency.until_settled()
        assert agency.queued()[0].last_words.endswith(MAY_HAVE_ARRIVED)
        assert not second.messages

    meet(tmp_path, leaves, take_all, told)


def test_a_refusal_for_good_asks_no_other_host(tmp_path: Path) -> None:
    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        (one,) = letters(1)
        agency.accept(one)
        await agency.until_empty()
        assert copies_of(agency, one)[0].state is CopyState.RETURNED
        assert not second.wires

    meet(tmp_path, says("RCPT", "550 5.1.1 nobody"), take_all, told)


def test_a_host_alone_that_refuses_each_mail_rests_with_its_words(tmp_path: Path) -> None:
    async def story() -> None:
        refuses = says("MAIL", "451 4.3.0 later")
        limits = Limits(site_connections=1, idle_s=0.05)
        async with (
            Peer(refuses) as peer,
            open_agency(tmp_path, resolution(peer.port), limits=limits) as agency,
        ):
            agency.accept(*letters(8))
            await agency.until(lambda: agency.store.queue.list_destinations()[0].failure_count == 1)
            (place,) = agency.store.queue.list_destinations()
            assert "MAIL: 451 4.3.0 later" in place.last_error

    run(story)


async def _lose_all_but_mail(wire: Wire) -> None:
    """As a proxy that hands on one line of a packet, and hangs."""
    await wire.greet("PIPELINING")
    await wire.packet()
    await wire.say("250 2.1.0 ok")
    await wire.rest()


async def _close_on_a_packet(wire: Wire) -> None:
    await wire.greet("PIPELINING")
    await wire.packet()


async def _miss_a_recipient(wire: Wire) -> None:
    await wire.greet("PIPELINING")
    await wire.packet()
    await wire.say("250 2.1.0 ok", "503 5.5.1 RCPT first")
    await wire.rest()


@pytest.mark.parametrize("loses", [_lose_all_but_mail, _close_on_a_packet, _miss_a_recipient])
def test_a_host_that_loses_what_is_pipelined_gets_one_command_at_a_time(
    tmp_path: Path, loses: Script
) -> None:
    async def story() -> None:
        times = replace(TIMES, command_s=0.1)
        async with (
            Peer(loses, says("nothing", "", "PIPELINING")) as peer,
            Peer(take_all) as backup,
            open_agency(
                tmp_path, resolution(peer.port, backup.port), times_of=lambda _hop: times
            ) as agency,
        ):
            (one,) = letters(1)
            agency.accept(one)
            await agency.until_empty()
            assert copies_of(agency, one)[0].state is CopyState.RELAYED
            assert len(peer.messages) == 1
            assert not backup.wires

    run(story)


def test_a_host_with_two_addresses_is_asked_at_the_second(tmp_path: Path) -> None:
    async def story() -> None:
        broken = says(".", "451 4.3.0 filter failed")
        async with Peer(broken) as one, Peer(take_all) as two:
            straight = way_to(HOP, one.port, two.port)
            hops = tuple(replace(hop, host="smarthost.test") for hop in straight.hops)
            async with open_agency(tmp_path, replace(straight, hops=hops)) as agency:
                (sent,) = letters(1)
                agency.accept(sent)
                await agency.until_empty()
                assert copies_of(agency, sent)[0].state is CopyState.RELAYED
                assert len(two.messages) == 1

    run(story)


async def _be_us(wire: Wire) -> None:
    await wire.say("220 us.test ESMTP")
    await wire.line()
    await wire.say("250 us.test")
    await wire.rest()


def test_a_host_that_is_this_service_behind_a_gateway_gets_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(_be_us) as us, Peer(take_all) as other:
            resolutions = replace(resolution(us.port, other.port), is_by_dns=True)
            async with open_agency(tmp_path, resolutions) as agency:
                agency.accept(*letters(1))
                await agency.until_empty()
                assert len(other.messages) == 1
                assert us.heard == ["EHLO us.test"]

    run(story)


def test_each_dead_host_is_a_line_of_the_journey(tmp_path: Path) -> None:
    async def told(agency: Agency, first: Peer, second: Peer) -> None:
        (one,) = letters(1)
        agency.accept(one)
        await agency.until_settled()
        ports = [past.attempt.address for past in copies_of(agency, one)[0].attempts]
        assert ports == [f"[127.0.0.1]:{first.port}", f"[127.0.0.1]:{second.port}"]
        assert agency.queued()[0].attempt_count == 1

    meet(tmp_path, says("greeting", "554 no"), says("greeting", "421 no"), told)


def test_a_delivery_that_wants_a_report_gets_it_from_the_host_that_took_it(tmp_path: Path) -> None:
    async def told(agency: Agency, _first: Peer, _second: Peer) -> None:
        agency.accept(*letters(1, notify=Notify.SUCCESS))
        await agency.until_empty()
        (owed,) = agency.store.queue.owed_reports(limit=10)
        assert owed.kind is ReportKind.RELAYED
        assert owed.copies[0].attempt is not None
        assert owed.copies[0].attempt.status == "2.0.0"

    meet(tmp_path, says("RCPT", "450 4.2.0 grey"), take_all, told)


_GREYLISTS = """\
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{jean@b.test = {answer}}} }}
"""
_TAKES = "smtpd_relay_restrictions = reject_unauth_destination\n"


@pytest.mark.slow
@programs.needs_program("postfix")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a private Postfix")
@pytest.mark.parametrize("answer", ["450 4.2.0 greylisted", "421 4.3.2 shutting down"])
def test_what_a_postfix_does_not_take_now_its_backup_does(tmp_path: Path, answer: str) -> None:
    first, second = find_free_ports(2)
    rules = _GREYLISTS.format(answer=answer)

    async def story() -> None:
        resolutions = replace(resolution(first, second), next_hop="b.test")
        async with open_agency(tmp_path, resolutions) as agency:
            (one,) = letters(1, "jean@b.test", hop="b.test")
            agency.accept(one)
            await agency.until_empty()
            before, last = copies_of(agency, one)[0].attempts
            assert before.attempt.words.startswith(answer[:9])
            assert before.attempt.address == f"[127.0.0.1]:{first}"
            assert (last.outcome, last.attempt.address) == (
                CopyState.RELAYED,
                f"[127.0.0.1]:{second}",
            )

    with (
        open_folder("primary-") as primary,
        open_folder("backup-") as backup,
        running_postfix(primary, port=first, hostname="mx1.b.test", domain="b.test", rules=rules),
        running_postfix(backup, port=second, hostname="mx2.b.test", domain="b.test", rules=_TAKES),
    ):
        run(story)
