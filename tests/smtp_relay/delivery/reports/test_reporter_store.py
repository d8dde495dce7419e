"""Reports over a real store: owed and made in one transaction, never zero, never two."""

from __future__ import annotations

import email
import email.policy
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import (
    Attempt,
    CopyOutcome,
    Lease,
    Leased,
    ReportMade,
    Settled,
    Settlement,
)
from mailserver.store.ports.writes import Accepted, Outcome
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import MailboxId, MessageId
from mailserver.values.message import Acceptance, Body, Deposit, InlineBody, NewCopy, Notify, Relay
from smtp_relay.delivery.reports.reporter import Reporter
from tests.smtp_relay.delivery.reports.report_house import make_settings
from tests.smtp_relay.inbound.fakes import NowExecutor
from tests.store.letters import NOW_S, accept, fetch, letter, person, uids_of
from tests.store.template import put_new_store

HOP = "example.net"
REFUSED = Attempt(at_s=NOW_S + 1, host="mx.example.net", status="5.1.1", words="550 5.1.1 Unknown")
MANY = 100
ROOT = Path(__file__).resolve().parents[4]
MARIE = "marie@ac-exemple.fr"


class PowerCut(Exception):
    """The process dies here."""


class House:
    """A store in a folder, which may be left at any moment and entered again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cut: str | None = None
        self.store = SqliteStore(put_new_store(folder))
        person(self.store, "postmaster")
        self.inbox: MailboxId = person(self.store, "marie").inbox_id

    def restart(self) -> None:
        self.store.close()
        self.store = SqliteStore(self._folder)

    def send(
        self, *recipients: str, body: Body | bytes = b"Subject: essai\r\n\r\nx\r\n"
    ) -> MessageId:
        acceptance: Acceptance = replace(
            letter(body=body),
            reverse_path=MARIE,
            copies=tuple(
                NewCopy(
                    recipient=recipient,
                    route=Relay(next_hop=HOP, turn_at_s=NOW_S, tell_at_s=NOW_S + 7200),
                )
                for recipient in recipients
            ),
        )
        return accept(self.store.writes, acceptance)[0]

    def refuse_all(self, *, now_s: float = NOW_S + 1) -> None:
        """What an agent writes when the next hop has said 5yz."""
        agent_id = self.store.queue.register_agent(now_s=now_s, until_s=now_s + 60)
        for hop in self.store.queue.due_destinations(now_s=now_s, limit=10):
            leased = self._apply(
                Lease(
                    agent_id=agent_id,
                    destination_id=hop.destination_id,
                    limit=100,
                    now_s=now_s,
                )
            )
            assert isinstance(leased, Leased)
            outcomes = tuple(
                CopyOutcome(
                    ref=copy.ref, state=CopyState.RETURNED, attempt=REFUSED, owes=ReportKind.FAILED
                )
                for copy in leased.copies
            )
            settled = Settlement(agent_id=agent_id, outcomes=outcomes, at_s=now_s)
            assert self._apply(settled) == Settled()
        self.store.queue.resign_agent(agent_id)

    def _apply(self, write: Lease | Settlement) -> Outcome:
        return self.store.writes.apply([write])[0]

    def report(self, *, cut: str | None = None) -> None:
        """Poke a reporter; `cut` the power before or after its transaction."""

        def submit(made: ReportMade, done: Callable[[object], None]) -> None:
            if cut == "before":
                raise PowerCut
            (outcome,) = self.store.writes.apply([made])
            if cut == "after":
                raise PowerCut
            done(outcome)

        reporter = Reporter(
            settings=make_settings(),
            store=self.store,
            submit=submit,
            pool=NowExecutor(),
            wall_s=lambda: NOW_S + 2,
            on_broken=lambda: pytest.fail("the store broke"),
        )
        reporter.notify()

    def reports(self) -> list[EmailMessage]:
        found = []
        for uid in uids_of(self.store, self.inbox):
            octets = fetch(self.store, self.inbox, uid)
            assert octets is not None
            message = email.message_from_bytes(octets, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "store")
    yield house
    house.store.close()


def test_a_returned_copy_is_told_to_its_sender_once(house: House) -> None:
    house.send("paul@example.net", "claire@example.net")
    house.refuse_all()
    house.report()
    house.report()
    (report,) = house.reports()
    assert report["Return-Path"] == "<>"
    assert report["Delivered-To"] == MARIE
    assert report["Subject"] == "Message non remis : essai"
    text = str(report)
    assert text.count("Final-Recipient: ") == 2
    assert "550 5.1.1 Unknown" in text
    assert house.store.queue.owed_reports(limit=10) == []


def test_an_account_that_has_said_its_language_is_told_in_it(house: House) -> None:
    engine = house.store._engine
    with engine.write_turn(), engine.transaction() as connection:
        connection.execute("UPDATE account SET language = 'en' WHERE identifier = 'marie'", ())
    house.send("paul@example.net")
    house.refuse_all()
    house.report()
    (report,) = house.reports()
    assert report["Subject"] == "Message not delivered: essai"


def test_a_deposit_whose_sender_asked_is_told_and_so_is_a_delay(house: House) -> None:
    asked = NewCopy(
        recipient=MARIE,
        route=Deposit(mailbox_id=house.inbox),
        notify=Notify.SUCCESS,
        original_recipient="rfc822;Marie+40x",
        owes_report=True,
    )
    accept(
        house.store.writes,
        replace(letter(), reverse_path=MARIE, copies=(asked,), envelope_id="a+41"),
    )
    house.send("paul@example.net")
    late = house.store.queue.overdue(now_s=NOW_S + 7200, limit=1)[0]
    told = CopyOutcome(
        ref=late.ref, state=CopyState.QUEUED, tell_at_s=NOW_S + 86_400, owes=ReportKind.DELAYED
    )
    settlement = Settlement(agent_id=None, outcomes=(told,), at_s=NOW_S + 7200)
    assert house.store.writes.apply([settlement]) == [Settled()]
    house.report()
    _, delivered, delayed = house.reports()
    assert delivered["Subject"] == "Message déposé : essai"
    assert "Original-Envelope-Id: aA" in str(delivered)
    assert "Original-Recipient: rfc822; Marie@x" in str(delivered)
    assert delayed["Subject"] == "Message retardé : essai"
    assert "Will-Retry-Until: " in str(delayed)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_power_cut_around_the_transaction_leaves_exactly_one_report(
    house: House, cut: str
) -> None:
    house.send("paul@example.net")
    house.refuse_all()
    house.report(cut=cut)
    house.restart()
    house.report()
    house.report()
    assert len(house.reports()) == 1
    assert house.store.queue.owed_reports(limit=10) == []


def test_two_reporters_that_read_the_same_make_one(house: House) -> None:
    house.send("paul@example.net")
    house.refuse_all()
    writes: list[ReportMade] = []
    for _ in range(2):
        Reporter(
            settings=make_settings(),
            store=house.store,
            submit=lambda made, _: writes.append(made),
            pool=NowExecutor(),
            wall_s=lambda: NOW_S + 2,
            on_broken=lambda: pytest.fail("the store broke"),
        ).notify()
    first, second = house.store.writes.apply(writes)
    assert isinstance(first, Accepted)
    assert second == Settled(tuple(ref for ref, _ in writes[1].cleared))
    assert len(house.reports()) == 1


def run_child(folder: Path, *, kill_after_s: float | None) -> int:
    """One process that makes reports, killed on the way; its exit status."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.smtp_relay.delivery.reports.report_child", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"ready\n"
            with suppress(subprocess.TimeoutExpired):
                child.wait(30 if kill_after_s is None else kill_after_s)
        finally:
            child.kill()
    return child.returncode


@pytest.mark.slow
@pytest.mark.crash
def test_a_reporter_that_is_killed_again_and_again_makes_each_report_once(
    house: House, tmp_path: Path
) -> None:
    for number in range(MANY):
        house.send(f"p{number}@example.net")
    house.refuse_all()
    house.store.close()
    chance = random.Random(3)
    killed = [
        run_child(tmp_path / "store", kill_after_s=chance.uniform(0.0, 0.04)) for _ in range(6)
    ]
    assert -signal.SIGKILL in killed
    assert run_child(tmp_path / "store", kill_after_s=None) == 0
    house.store = SqliteStore(tmp_path / "store")
    assert house.store.queue.owed_reports(limit=1) == []
    told = Counter(
        line
        for report in house.reports()
        for line in str(report).splitlines()
        if line.startswith("Final-Recipient: ")
    )
    assert told == Counter(f"Final-Recipient: rfc822; p{n}@example.net" for n in range(MANY))


def test_a_sender_that_went_is_cleared_without_a_trace(house: House) -> None:
    message_id = house.send("paul@example.net")
    house.refuse_all()
    account = house.store.accounts.find_account("marie")
    assert account is not None
    house.store.accounts.delete_account(account.account_id, now_s=NOW_S)
    house.report()
    assert house.store.queue.owed_reports(limit=10) == []
    later = house.send("paul@example.net")
    assert later == message_id + 1  # no message was written meanwhile


def test_the_original_is_there_until_it_was_reported(house: House) -> None:
    """The last copy is final and the reclaimer comes by, but a report is still owed."""
    spool = house.store.bodies.open_spool()
    header = b"Subject: grand\r\n\r\n"
    spool.write(header + b"x\r\n" * 10)
    large = spool.commit()
    message_id = house.send("paul@example.net", body=large)
    house.refuse_all()
    for _ in range(3):
        house.store.upkeep.reclaim(now_s=NOW_S + 40 * 86_400)
    message = house.store.queue.open_queued(message_id)
    assert message is not None
    message.close()
    house.report()
    (report,) = house.reports()
    assert "Subject: grand" in str(report)


def test_a_report_that_waits_for_another_hop_is_never_reported(house: House) -> None:
    """Never a bounce of a bounce."""
    acceptance = replace(
        letter(body=InlineBody(b"Subject: x\r\n\r\n")),
        reverse_path="jean@example.org",
        copies=(
            NewCopy(
                recipient="paul@example.net",
                route=Relay(next_hop=HOP, turn_at_s=NOW_S, tell_at_s=NOW_S + 7200),
            ),
        ),
    )
    accept(house.store.writes, acceptance)
    house.refuse_all()
    house.report()
    (hop,) = house.store.queue.due_destinations(now_s=NOW_S + 3, limit=10)
    assert hop.next_hop == "example.org"
    house.refuse_all(now_s=NOW_S + 3)  # by an agent that asks for a report all the same
    house.report()
    assert house.store.queue.owed_reports(limit=10) == []
    assert house.store.queue.due_destinations(now_s=NOW_S + 3, limit=10) == []


@pytest.mark.parametrize("how", ["missing", "cut", "closed"])
def test_who_wrote_is_told_though_the_original_cannot_be_read(house: House, how: str) -> None:
    spool = house.store.bodies.open_spool()
    spool.write(b"Subject: grand\r\n\r\n" + b"x\r\n" * 10)
    large = spool.commit()
    house.send("paul@example.net", body=large)
    house.send("pierre@example.net")
    house.refuse_all()
    path = house.store.backups.body_file(large.name)
    octets = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(octets[:-5])
    elif how == "closed":
        path.symlink_to(path.name)
    house.report()
    assert house.store.queue.owed_reports(limit=9) == []
    told = sorted(str(report) for report in house.reports())
    assert len(told) == 2
    assert sum("550 5.1.1 Unknown" in text for text in told) == 2
    assert sum("Subject: grand" in text for text in told) == 0
