"""The agent over a real store and loopback peers: what arrives, and what is written about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.history import PastAttempt
from mailserver.store.ports.operators import Act, Deed
from mailserver.store.ports.queue import LEASE_S, Lane, Lease
from mailserver.values.ids import make_accept_id
from mailserver.values.message import Acceptance, Deposit, FiledBody, NewCopy, Notify, Relay
from smtp_relay.delivery.schedule.destination import FIRST_WINDOW
from smtp_relay.delivery.schedule.fleet import LOSES_PAST_DOT
from smtp_relay.delivery.schedule.orders import Limits
from smtp_relay.delivery.schedule.outcomes import MAY_HAVE_ARRIVED
from tests.smtp_relay.delivery.agent.agency import TIMES, Agency, Clock, open_agency, way_to
from tests.smtp_relay.delivery.peers import Peer, Wire, take_all
from tests.store.letters import FACTS
from tests.store.queued import HOP, outgoing

Story = Callable[[], Coroutine[None, None, None]]


def letters(count: int, *recipients: str, hop: str = HOP, **details: object) -> list[Acceptance]:
    now_s = Clock().now_s
    return [
        replace(
            outgoing(*recipients, hop=hop, at_s=now_s, tell_at_s=now_s + 7200, **details),  # type: ignore[arg-type]
            accept_id=make_accept_id(now_s, f"{hop[:4]:4}{number:05}".encode()),
        )
        for number in range(count)
    ]


def state_of(agency: Agency, one: Acceptance) -> list[CopyState]:
    journey = agency.store.history.journey(one.accept_id)
    assert journey is not None
    return [copy.state for copy in journey.copies]


def attempts_of(agency: Agency, one: Acceptance) -> tuple[PastAttempt, ...]:
    journey = agency.store.history.journey(one.accept_id)
    assert journey is not None
    return journey.copies[0].attempts


def words_of(agency: Agency) -> str:
    return agency.queued()[0].last_words


def run(story: Story) -> None:
    asyncio.run(story())


def test_a_letter_arrives_and_is_relayed(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            (one,) = letters(1)
            agency.accept(one)
            await agency.until_empty()
            assert state_of(agency, one) == [CopyState.RELAYED]
            assert len(peer.messages) == 1
            await agency.until(lambda: agency.agent.counters["relayed"] == 1)

    run(story)


def test_many_letters_arrive_once_each_over_few_connections(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            agency.accept(*letters(200))
            await agency.until_empty()
            assert len(peer.messages) == 200
            assert len(peer.wires) <= 20

    run(story)


def test_many_recipients_of_one_message_share_its_transaction(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            agency.accept(*letters(1, *(f"u{n}@{HOP}" for n in range(50))))
            await agency.until_empty()
            rcpt_count = sum(line.startswith("RCPT") for line in peer.heard)
            assert rcpt_count == 50
            assert len(peer.messages) <= 10

    run(story)


@pytest.mark.parametrize("offers", [(), ("PIPELINING",), ("LIMITS RCPTMAX=3",)])
def test_recipients_for_which_a_transaction_has_no_room_go_in_the_next_ones_at_once(
    tmp_path: Path, offers: tuple[str, ...]
) -> None:
    async def takes_three(wire: Wire) -> None:
        """Of each message (RFC 5321 §4.5.3.1.10)."""
        await wire.greet(*offers)
        room = 3
        while (line := await wire.line()) != "QUIT":
            room = 3 if line.startswith("MAIL") else room - line.startswith("RCPT")
            if line.startswith("RCPT") and room < 0:
                await wire.say("452 4.5.3 too many recipients")
            elif line == "DATA":
                await wire.say("354 go")
                await wire.message()
                await wire.say("250 2.0.0 queued")
            else:
                await wire.say("250 2.1.0 ok")

    async def story() -> None:
        async with (
            Peer(takes_three) as peer,
            open_agency(tmp_path, way_to(HOP, peer.port)) as agency,
        ):
            (one,) = letters(1, *(f"u{n}@{HOP}" for n in range(20)))
            agency.accept(one)
            await agency.until_empty()
            assert set(state_of(agency, one)) == {CopyState.RELAYED}
            assert 7 <= len(peer.messages) <= 10
            too_many = sum(line.startswith("RCPT") for line in peer.heard) - 20
            assert too_many <= 40, "what it takes at a time is learnt"
            journey = agency.store.history.journey(one.accept_id)
            assert journey is not None
            assert all(len(copy.attempts) == 1 for copy in journey.copies)

    run(story)


@pytest.mark.parametrize(
    ("recipient", "details", "status"),
    [
        (f"jean@{HOP}", {"facts": replace(FACTS, is_8bit=True)}, "5.6.3"),
        (f"élodie@{HOP}", {"smtputf8": True}, "5.6.7"),
    ],
)
def test_what_a_hop_cannot_take_is_returned_never_rewritten(
    tmp_path: Path, recipient: str, details: dict[str, Any], status: str
) -> None:
    async def knows_little(wire: Wire) -> None:
        await wire.greet("SIZE")
        await wire.take_all()

    async def story() -> None:
        async with (
            Peer(knows_little) as peer,
            open_agency(tmp_path, way_to(HOP, peer.port)) as agency,
        ):
            one = replace(letters(1, recipient)[0], **details)
            agency.accept(one)
            await agency.until_empty()
            assert state_of(agency, one) == [CopyState.RETURNED]
            (owed,) = agency.store.queue.owed_reports(limit=10)
            assert owed.copies[0].attempt is not None
            assert owed.copies[0].attempt.status == status
            assert peer.heard[:1] == ["EHLO us.test"]
            assert not peer.messages

    run(story)


async def _refuse_one(wire: Wire) -> None:
    await wire.greet()
    await wire.line()
    await wire.say("250 2.1.0 ok")
    await wire.line()
    await wire.say("550 5.1.1 nobody of that name")
    await wire.rest()


def test_what_is_refused_is_returned_and_its_report_is_owed(tmp_path: Path) -> None:
    async def story() -> None:
        resolution = way_to(HOP, 0)
        async with Peer(_refuse_one) as peer, open_agency(tmp_path, resolution) as agency:
            agency.table.resolutions[HOP] = way_to(HOP, peer.port)
            (one,) = letters(1)
            agency.accept(one)
            await agency.until_empty()
            assert state_of(agency, one) == [CopyState.RETURNED]
            (owed,) = agency.store.queue.owed_reports(limit=10)
            attempt = owed.copies[0].attempt
            assert owed.kind is ReportKind.FAILED
            assert attempt is not None
            assert (attempt.status, attempt.phase) == ("5.1.1", "RCPT")
            assert "nobody of that name" in attempt.words
            assert attempt.address == f"[127.0.0.1]:{peer.port}"
            await agency.until(lambda: bool(agency.told))

    run(story)


def test_success_is_reported_where_the_hop_has_no_dsn(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            agency.accept(*letters(1, notify=Notify.SUCCESS))
            await agency.until_empty()
            (owed,) = agency.store.queue.owed_reports(limit=10)
            assert owed.kind is ReportKind.RELAYED

    run(story)


def test_a_deposit_that_owes_a_report_is_told_as_soon_as_it_is_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_agency(tmp_path) as agency:
            account = agency.store.accounts.add_account(
                identifier="m", name="M", addresses=("m@ac-exemple.fr",), now_s=0.0
            )
            copy = NewCopy(
                recipient="m@ac-exemple.fr",
                route=Deposit(mailbox_id=account.inbox_id),
                notify=Notify.SUCCESS,
                owes_report=True,
            )
            agency.accept(replace(letters(1)[0], copies=(copy,)))
            await agency.until(lambda: bool(agency.told))

    run(story)


async def _hang_up_after_the_dot(wire: Wire) -> None:
    await wire.greet()
    await wire.envelope()
    await wire.message()
    wire.cut()


def test_a_cut_after_the_dot_is_deferred_and_says_that_it_may_have_arrived(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            Peer(_hang_up_after_the_dot) as peer,
            open_agency(tmp_path, way_to(HOP, peer.port)) as agency,
        ):
            agency.accept(*letters(1))
            await agency.until_settled()
            assert words_of(agency).endswith(MAY_HAVE_ARRIVED)
            assert agency.queued()[0].due_at_s == agency.clock() + 300

    run(story)


async def _lose_what_follows_a_dot(wire: Wire) -> None:
    """As a proxy does that forgets what else was in the packet, against RFC 2920 §3.2."""
    await wire.greet("PIPELINING")
    while octets := await wire.packet():
        if b"\r\n.\r\n" in octets:
            wire.messages.append(octets)
            await wire.say("250 2.0.0 queued")
        elif octets.startswith(b"MAIL"):
            await wire.say("250 2.1.0 ok", "250 2.1.5 ok", "354 go")


def test_a_peer_that_loses_what_follows_a_dot_does_so_once(tmp_path: Path) -> None:
    async def story() -> None:
        limits = Limits(site_connections=1, idle_s=0.05)
        times = replace(TIMES, command_s=0.05)
        async with (
            Peer(_lose_what_follows_a_dot) as peer,
            open_agency(
                tmp_path, way_to(HOP, peer.port), limits=limits, times_of=lambda _: times
            ) as agency,
        ):
            sent = letters(8)
            with capture_logs() as events:
                agency.accept(*sent)
                await agency.until_empty()
            assert len(peer.messages) == 8
            assert len(peer.wires) == 2
            assert all(len(attempts_of(agency, one)) == 1 for one in sent)
            assert [one["event"] for one in events] == [LOSES_PAST_DOT]

    run(story)


async def _refuse_to_greet(wire: Wire) -> None:
    await wire.say("554 5.3.2 not here")


def test_a_second_host_takes_what_the_first_refuses_to_greet(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            Peer(_refuse_to_greet) as bad,
            Peer(take_all) as good,
            open_agency(tmp_path, way_to(HOP, bad.port, good.port)) as agency,
        ):
            agency.accept(*letters(3))
            await agency.until_empty()
            assert len(good.messages) == 3

    run(story)


def test_what_no_host_takes_goes_by_the_fallback_relay_and_why_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        limits = Limits(fallback="help", idle_s=0.05)
        async with Peer(_refuse_to_greet) as bad, Peer(take_all) as relay:
            resolutions = (way_to(HOP, bad.port), way_to("route:help", relay.port))
            async with open_agency(tmp_path, *resolutions, limits=limits) as agency:
                (one,) = letters(1)
                agency.accept(one)
                await agency.until_empty()
                assert state_of(agency, one) == [CopyState.RELAYED]
                assert len(relay.messages) == 1
                direct, through = attempts_of(agency, one)
                assert (direct.outcome, through.outcome) == (CopyState.QUEUED, CopyState.RELAYED)
                assert direct.attempt.address == f"[127.0.0.1]:{bad.port}"
                assert direct.attempt.words == "greeting: 554 5.3.2 not here"
                assert through.attempt.address == f"[127.0.0.1]:{relay.port}"
                await agency.until(
                    lambda: "not here" in agency.store.queue.list_destinations()[0].last_error
                )
                assert agency.store.queue.list_destinations()[0].not_before_s == 0

    run(story)


def test_where_the_fallback_relay_fails_too_each_attempt_has_its_line(tmp_path: Path) -> None:
    async def story() -> None:
        limits = Limits(fallback="help", idle_s=0.05)
        async with Peer(_refuse_to_greet) as bad, Peer(_refuse_to_greet) as relay:
            resolutions = (way_to(HOP, bad.port), way_to("route:help", relay.port))
            async with open_agency(tmp_path, *resolutions, limits=limits) as agency:
                (one,) = letters(1)
                agency.accept(one)
                await agency.until_settled()
                ports = [past.attempt.address for past in attempts_of(agency, one)]
                assert ports == [f"[127.0.0.1]:{bad.port}", f"[127.0.0.1]:{relay.port}"]
                (queued,) = agency.queued()
                assert (queued.attempt_count, queued.due_at_s) == (1, agency.clock() + 300)

    run(story)


def test_a_hop_of_which_no_host_greets_rests_and_its_letter_is_deferred(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            Peer(_refuse_to_greet) as bad,
            open_agency(tmp_path, way_to(HOP, bad.port)) as agency,
        ):
            agency.accept(*letters(1))
            await agency.until_settled()
            await agency.until(lambda: agency.store.queue.list_destinations()[0].failure_count == 1)
            (place,) = agency.store.queue.list_destinations()
            assert place.not_before_s == agency.clock() + 300
            assert "not here" in place.last_error
            assert agency.queued()[0].last_status.startswith("4.")
            assert agency.table.forgotten == [HOP]

    run(story)


def test_a_hop_that_works_again_forgets_its_failures(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            Peer(_refuse_to_greet, take_all) as peer,
            open_agency(tmp_path, way_to(HOP, peer.port)) as agency,
        ):
            agency.accept(*letters(1))
            await agency.until_settled()
            await agency.until(lambda: agency.store.queue.list_destinations()[0].failure_count == 1)
            agency.clock.now_s += 400
            agency.store.queue.wake_agents()
            await agency.until_empty()
            await agency.until(
                lambda: all(not one.failure_count for one in agency.store.queue.list_destinations())
            )

    run(story)


def test_a_domain_that_does_not_exist_is_returned(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_agency(tmp_path) as agency:
            (one,) = letters(1, hop="nowhere.test")
            agency.accept(one)
            await agency.until_empty()
            (owed,) = agency.store.queue.owed_reports(limit=10)
            assert owed.copies[0].attempt is not None
            assert owed.copies[0].attempt.status == "5.1.2"

    run(story)


def test_a_lost_lease_never_sends_the_dot(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer:
            resolution = way_to(HOP, peer.port)
            async with open_agency(tmp_path, resolution, is_still_ours=lambda: False) as agency:
                agency.accept(*letters(1))
                await agency.until_settled()
                assert not peer.messages

    run(story)


def test_what_a_late_agent_held_is_delivered_by_another(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path) as agency:
            store, clock = agency.store, agency.clock
            late = store.queue.register_agent(now_s=clock(), until_s=clock() + 1)
            agency.accept(*letters(3))  # no wait up to the lease: our agent has no turn before
            (due,) = store.queue.due_destinations(now_s=clock(), limit=10)
            lease = Lease(
                agent_id=late, destination_id=due.destination_id, limit=100, now_s=clock()
            )
            store.writes.apply([lease])
            agency.table.resolutions[HOP] = way_to(HOP, peer.port)
            assert store.queue.take_over(now_s=clock(), clock_s=0) == 0
            assert store.queue.renew_agent(agency.agent_id, until_s=clock() + 61)
            assert store.queue.take_over(now_s=clock(), clock_s=LEASE_S) == 3
            await agency.until_empty()
            assert len(peer.messages) == 3

    run(story)


def test_what_was_under_way_at_the_end_is_delivered_by_the_next(tmp_path: Path) -> None:
    async def stalls(wire: Wire) -> None:
        await wire.greet()
        await wire.line()
        await wire.stall()

    async def story() -> None:
        async with Peer(stalls, take_all) as peer:
            resolution = way_to(HOP, peer.port)
            async with open_agency(tmp_path, resolution) as first:
                first.accept(*letters(1))
                await first.until(lambda: any("MAIL" in line for line in peer.heard))
            clock = Clock(now_s=Clock().now_s + 400)
            async with open_agency(tmp_path, resolution, clock=clock) as second:
                await second.until_empty()
                assert len(peer.messages) == 1

    run(story)


def test_a_slow_destination_does_not_stop_the_others(tmp_path: Path) -> None:
    async def never(wire: Wire) -> None:
        await wire.greet()
        await wire.stall()

    async def story() -> None:
        async with Peer(never) as slow, Peer(take_all) as quick:
            resolutions = (way_to("slow.test", slow.port), way_to(HOP, quick.port))
            limits = Limits(max_connections=8, site_connections=8, idle_s=0.05)
            async with open_agency(tmp_path, *resolutions, limits=limits) as agency:
                agency.accept(*letters(400, hop="slow.test"))
                await agency.until(lambda: len(slow.wires) == 4)
                agency.accept(*letters(100))
                await agency.until(lambda: len(quick.messages) == 100)
                assert len(slow.wires) == 4
                held = {
                    one.next_hop: one.leased_count for one in agency.store.queue.list_destinations()
                }
                assert held["slow.test"] <= 4 * FIRST_WINDOW

    run(story)


def test_a_single_letter_is_not_held_up_by_a_mass_mailing(tmp_path: Path) -> None:
    """Their turns say who is next: the letter's lies before most of the mailing's."""

    async def story() -> None:
        now_s = Clock().now_s
        copies = [
            NewCopy(
                recipient=f"u{number}@{HOP}",
                route=Relay(next_hop=HOP, turn_at_s=now_s + number, tell_at_s=now_s + 7200),
            )
            for number in range(900)
        ]
        spread = replace(outgoing(at_s=now_s), copies=tuple(copies))
        (single,) = letters(1, f"seul@{HOP}")
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            agency.accept(spread, single)
            await agency.until_empty()
            recipients = [line for line in peer.heard if line.startswith("RCPT")]
            assert len(recipients) == 901
            place = next(i for i, wire in enumerate(recipients) if "seul@" in wire)
            assert place < 900

    run(story)


def test_a_message_with_nul_is_sent_to_nobody_and_its_sender_hears_why(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            bad, good = letters(2)
            agency.accept(replace(bad, facts=replace(FACTS, has_nul=True)), good)
            await agency.until_empty()
            assert state_of(agency, bad) == [CopyState.RETURNED]
            assert state_of(agency, good) == [CopyState.RELAYED]
            (owed,) = agency.store.queue.owed_reports(limit=10)
            assert owed.copies[0].attempt is not None
            assert owed.copies[0].attempt.status == "5.6.0"
            assert "NUL" in owed.copies[0].attempt.words
            assert len(peer.messages) == 1
            assert all(one.last_error == "" for one in agency.store.queue.list_destinations())

    run(story)


def filed(agency: Agency) -> FiledBody:
    spool = agency.store.bodies.open_spool()
    spool.write(b"Subject: grand\r\n\r\nx\r\n")
    return spool.commit()


def test_a_copy_whose_body_is_lost_waits_for_a_person_and_goes_once_it_is_back(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            lost, whole = letters(2)
            body = filed(agency)
            lost = replace(lost, body=body)
            path = agency.store.backups.body_file(body.name)
            octets = path.read_bytes()
            path.unlink()
            agency.accept(lost, whole)
            await agency.until(lambda: [one.lane for one in agency.queued()] == [Lane.HELD])
            assert state_of(agency, whole) == [CopyState.RELAYED]
            (copy,) = agency.queued()
            assert body.name in copy.reason
            assert "put the file back from a backup" in copy.reason
            path.write_bytes(octets)
            release = Deed(act=Act.RELEASE, at_s=agency.clock(), by="root", reason="")
            assert agency.store.queue.act_on([copy.ref], release)
            await agency.until_empty()
            assert state_of(agency, lost) == [CopyState.RELAYED]
            assert b"Subject: grand" in peer.messages[-1]

    run(story)


def test_a_copy_whose_body_cannot_be_read_now_is_tried_later_and_others_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with Peer(take_all) as peer, open_agency(tmp_path, way_to(HOP, peer.port)) as agency:
            closed, whole = letters(2)
            body = filed(agency)
            path = agency.store.backups.body_file(body.name)
            path.unlink()
            path.symlink_to(path.name)
            agency.accept(replace(closed, body=body), whole)
            await agency.until(lambda: state_of(agency, whole) == [CopyState.RELAYED])
            await agency.until_settled()
            assert "cannot be read" in words_of(agency)
            assert len(peer.messages) == 1

    run(story)


def test_a_copy_without_a_way_is_returned_though_its_body_is_lost(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_agency(tmp_path) as agency:
            (lost,) = letters(1)
            body = filed(agency)
            agency.store.backups.body_file(body.name).unlink()
            agency.accept(replace(lost, body=body))
            await agency.until_empty()
            assert state_of(agency, lost) == [CopyState.RETURNED]
            assert agency.store.queue.owed_reports(limit=1)

    run(story)
