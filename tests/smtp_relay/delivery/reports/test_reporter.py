"""Who gets a report, by what way, and that each owed one is made once."""

from __future__ import annotations

import email
import email.policy
import os
import tracemalloc
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from mailserver.lists.addresses import bounces_address, next_hop_of
from mailserver.queue.reports import ReportKind
from mailserver.settings.model import CatchAllSettings
from mailserver.store.outside import Outside
from mailserver.store.ports.errors import StoreBroken, StoreUnavailable
from mailserver.store.ports.queue import CopyRef, Settled
from mailserver.store.ports.writes import Failed
from mailserver.values.ids import MessageId
from mailserver.values.message import Deposit, FiledBody, InlineBody, Notify, Relay
from smtp_relay.delivery.reports import reporter
from smtp_relay.delivery.reports.budget import HOUR_S, MOST_FAILED, MOST_OTHERS
from smtp_relay.delivery.reports.maker import PIECE_OCTETS, parse_address
from smtp_relay.delivery.reports.reporter import SLICE_REPORTS
from tests.dkim.verifier import make_signer, verdicts, zone_of
from tests.lists.fakes import mailing_list
from tests.smtp_relay.delivery.reports.report_house import (
    DOMAIN,
    MARIE_BOX,
    NOW_S,
    POSTMASTER_BOX,
    FakeStore,
    Office,
    make_settings,
)
from tests.smtp_relay.inbound.fakes import LaterExecutor, NowExecutor

MARIE = f"marie@{DOMAIN}"


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office(NowExecutor())
    yield office
    office.store.close()


def read(office: Office) -> EmailMessage:
    message = email.message_from_bytes(office.octets(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text(office: Office) -> str:
    return str(next(iter(read(office).iter_parts())).get_content())


@pytest.mark.parametrize("catch_all", [(), (CatchAllSettings(domain=DOMAIN, address=MARIE),)])
def test_a_report_about_a_lists_member_goes_to_the_list(
    office: Office, catch_all: tuple[CatchAllSettings, ...]
) -> None:
    settings = office.settings.model_copy(update={"catch_all": catch_all})
    office = Office(NowExecutor(), settings=settings, store=office.store)
    which = mailing_list(f"tous@{DOMAIN}")
    office.store.lists.lists[bounces_address(which)] = which
    office.store.owe(sender=bounces_address(which))
    office.reporter.notify()
    (copy,) = office.committer.accepted[-1].copies
    assert isinstance(copy.route, Relay)
    assert copy.route.next_hop == next_hop_of(which.list_id)


def test_a_report_to_one_of_ours_is_deposited_in_the_language_of_the_house(office: Office) -> None:
    office.store.owe()
    office.reporter.notify()
    (accepted,) = office.committer.accepted
    assert accepted.reverse_path == ""
    assert accepted.return_path == b"Return-Path: <>\r\n"
    assert accepted.door == "reports"
    assert accepted.account_id is None
    (copy,) = accepted.copies
    assert copy.recipient == f"marie@{DOMAIN}"
    assert copy.route == Deposit(mailbox_id=MARIE_BOX)
    assert copy.notify is Notify.NEVER
    assert not copy.owes_report
    assert "n'a pas pu être remis" in text(office)
    assert "could not" not in text(office)
    assert accepted.head.startswith(b"Received: by mail.ac-exemple.fr id ")
    assert office.store.owed == {}


@pytest.mark.parametrize("sender", [MARIE, f"Marie+sortie@{DOMAIN}"])
def test_a_report_to_one_of_ours_is_in_the_language_that_they_have_said(
    office: Office, sender: str
) -> None:
    office.store.language = "en"
    office.store.owe(sender=sender)
    office.reporter.notify()
    assert "could not be delivered" in text(office)
    assert "n'a pas pu" not in text(office)
    assert read(office)["Content-Language"] == "en"


def test_a_report_to_one_of_ours_stays_here_when_the_domain_was_changed(office: Office) -> None:
    service = office.settings.service.model_copy(update={"domain": "nouveau.fr"})
    office.store.outside = Outside({DOMAIN: 1}, 1, 0)
    settings = office.settings.model_copy(update={"service": service})
    moved = Office(NowExecutor(), settings=settings, store=office.store)
    moved.store.owe()
    moved.reporter.notify()
    (copy,) = moved.committer.accepted[-1].copies
    assert copy.route == Deposit(mailbox_id=MARIE_BOX)


def test_a_report_to_elsewhere_waits_for_the_agent_in_both_languages(office: Office) -> None:
    office.store.owe(sender="jean@example.org")
    office.reporter.notify()
    (copy,) = office.committer.accepted[0].copies
    assert copy.route == Relay(
        next_hop="example.org", turn_at_s=NOW_S, tell_at_s=NOW_S + 120 * 3600
    )
    said = text(office)
    assert said.index("n'a pas pu être remis") < said.index("could not be delivered")


def test_a_report_to_elsewhere_goes_by_the_rules() -> None:
    rules = [
        {"name": "held", "recipient_domains": ["held.example"], "via": "hold", "text": "wait"},
        {"name": "out", "recipient_domains": [".example"], "via": "smarthost", "host": "s.example"},
        {"name": "never", "recipient_domains": ["example.org"], "via": "refuse", "text": "no"},
    ]
    office = Office(NowExecutor(), settings=make_settings(routes=rules))
    for sender in ("a@held.example", "b@other.example", "c@example.org"):
        office.store.owe(sender=sender)
    office.reporter.notify()
    held, out = (accepted.copies[0].route for accepted in office.committer.accepted)
    assert isinstance(held, Relay)
    assert isinstance(out, Relay)
    assert held.held_for == "wait"
    assert (out.next_hop, out.held_for) == ("route:out", "")
    assert office.store.owed == {}  # the third is cleared: nobody may be told


@pytest.mark.parametrize("sender", [f"nobody@{DOMAIN}", "", "nonsense"])
def test_a_sender_that_does_not_exist_is_never_told_and_nothing_is_owed_to_it(
    office: Office, sender: str
) -> None:
    office.store.owe(sender=sender)
    office.reporter.notify()
    assert office.committer.accepted == []
    assert office.store.owed == {}
    assert office.reporter.is_resting


def test_postmaster_is_always_told(office: Office) -> None:
    office.store.owe(sender=f"postmaster@{DOMAIN}")
    office.reporter.notify()
    (copy,) = office.committer.accepted[0].copies
    assert copy.route == Deposit(mailbox_id=POSTMASTER_BOX)


def test_one_of_ours_who_is_hosted_elsewhere_is_told_there() -> None:
    rule = {"name": "old", "recipient_domains": [DOMAIN], "via": "lmtp", "host": "old.lan"}
    office = Office(NowExecutor(), settings=make_settings(routes=[rule]))
    office.store.owe(sender=f"nobody@{DOMAIN}")
    office.reporter.notify()
    (copy,) = office.committer.accepted[0].copies
    assert isinstance(copy.route, Relay)
    assert copy.route.next_hop == "route:old"
    assert "could not" not in text(office)


def test_a_utf8_sender_gets_an_smtputf8_report(office: Office) -> None:
    office.store.owe(sender="zoé@exemple.fr")
    office.reporter.notify()
    (accepted,) = office.committer.accepted
    assert accepted.smtputf8
    assert accepted.facts.is_8bit


def test_many_slices_make_all_that_is_owed(office: Office) -> None:
    count = 3 * SLICE_REPORTS + 1
    for _ in range(count):
        office.store.owe()
    office.reporter.notify()
    assert len(office.committer.accepted) == count
    assert office.store.owed == {}
    assert office.reporter.is_resting
    assert len({one.accept_id for one in office.committer.accepted}) == count


def test_every_original_is_closed(office: Office) -> None:
    office.store.owe(is_filed=True)
    office.store.owe(is_filed=True, sender=f"nobody@{DOMAIN}")
    office.reporter.notify()
    assert [message.reader for message in office.store.opened] == [None, None]


def test_one_slice_at_a_time_and_what_is_owed_meanwhile_comes_next() -> None:
    pool = LaterExecutor()
    office = Office(pool)
    office.committer.answers = False
    office.store.owe()
    for _ in range(3):
        office.reporter.notify()
    assert len(pool.jobs) == 1
    pool.work()
    office.store.owe()
    office.reporter.notify()
    assert pool.jobs == []  # the first one's outcome has not come
    office.committer.waiting.pop()()
    assert len(pool.jobs) == 1
    pool.work()
    office.committer.waiting.pop()()
    pool.work()
    assert office.reporter.is_resting
    assert len(office.committer.accepted) == 2


def test_a_report_that_somebody_else_made_is_not_made_again(office: Office) -> None:
    office.store.owe()

    def lost(_: object) -> Settled:
        office.store.owed.clear()
        return Settled((CopyRef(MessageId(1), 0),))

    office.committer.outcome = lost
    office.reporter.notify()
    assert office.committer.accepted == []
    assert office.reporter.is_resting


def test_a_store_that_cannot_answer_is_asked_again_at_the_next_poke(office: Office) -> None:
    office.store.owe()
    office.store.error = StoreUnavailable("busy")
    office.reporter.notify()
    assert office.reporter.is_resting
    office.store.error = None
    office.committer.outcome = lambda _: Failed(StoreUnavailable("full"))
    office.reporter.notify()
    assert office.reporter.is_resting
    assert len(office.store.owed) == 1
    office.committer.outcome = None
    office.reporter.notify()
    assert office.store.owed == {}
    assert not office.is_broken


@pytest.mark.parametrize("where", ["reading", "writing"])
def test_a_broken_disk_ends_the_process(office: Office, where: str) -> None:
    office.store.owe()
    error = StoreBroken("fsync")
    if where == "reading":
        office.store.error = error
    else:
        office.committer.outcome = lambda _: Failed(error)
    office.reporter.notify()
    assert office.is_broken
    assert office.reporter.is_resting


def test_an_original_that_is_gone_holds_up_nobody_else(office: Office) -> None:
    for _ in range(SLICE_REPORTS + 2):
        office.store.gone.add(office.store.owe())
    office.store.owe()
    office.reporter.notify()
    assert len(office.committer.accepted) == 1
    assert len(office.store.owed) == SLICE_REPORTS + 2  # loud in the log, and not forgotten
    assert office.reporter.is_resting


def test_a_reporter_that_was_stopped_begins_nothing(office: Office) -> None:
    office.store.owe()
    office.reporter.stop()
    office.reporter.notify()
    assert office.committer.accepted == []


def test_what_leaves_is_signed_and_what_stays_is_not() -> None:
    signer = make_signer(DOMAIN)
    office = Office(NowExecutor(), sign=signer.sign_pieces)
    office.store.owe(sender="jean@example.org")
    office.store.owe()
    office.reporter.notify()
    there, here = office.committer.accepted
    assert here.head.startswith(b"Received: ")
    assert verdicts(there.head + office.octets(0), zone_of(signer)) == [True, True]


def test_a_large_report_is_written_to_a_file_piece_by_piece(office: Office) -> None:
    body = (b"x" * 62 + b"\r\n") * 16_384  # 1 MiB
    office.store.owe(body=body, is_filed=True, wants="FULL")
    office.reporter.notify()
    (accepted,) = office.committer.accepted
    assert isinstance(accepted.body, FiledBody)
    assert accepted.body.size_octets == len(office.octets())
    assert body in office.octets()
    assert office.store.spools[0].largest_piece_octets <= PIECE_OCTETS


@pytest.mark.slow
def test_an_original_of_50_mib_is_never_in_memory_whole(office: Office) -> None:
    office.store.owe(body=b"", is_filed=True, wants="FULL")
    message = office.store.messages[MessageId(1)]
    assert message.reader is not None
    fd = message.reader.descriptor()
    assert fd is not None
    line = b"x" * 62 + b"\r\n"
    for at in range(50):
        os.pwrite(fd, line * 16_384, message.body_octets + at * len(line) * 16_384)
    message.body_octets += 50 * len(line) * 16_384
    tracemalloc.start()
    try:
        office.reporter.notify()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(office.committer.accepted[0].body, InlineBody)  # its header comes back
    assert peak < 2 * 1024 * 1024


@pytest.mark.parametrize("kind", ReportKind)
def test_each_kind_can_be_made(office: Office, kind: ReportKind) -> None:
    office.store.owe(kind=kind, recipients=("a@example.net", "b@example.net"))
    office.reporter.notify()
    assert len(office.committer.accepted) == 1


@pytest.mark.parametrize(
    ("path", "local", "domain"),
    [
        ("a@b.fr", "a", "b.fr"),
        ('"a b"@c.fr', "a b", "c.fr"),
        (r'"a\"@\\b"@c.fr', 'a"@\\b', "c.fr"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("nobody", "", "nobody"),
        ('"@b.fr', '"', "b.fr"),
    ],
)
def test_a_reverse_path_is_read_back(path: str, local: str, domain: str) -> None:
    address = parse_address(path)
    assert (address.local, address.domain) == (local, domain)


def test_the_fake_store_gives_what_it_was_owed() -> None:
    store = FakeStore()
    store.owe(kind=ReportKind.DELAYED)
    assert [one.kind for one in store.owed_reports(limit=5)] == [ReportKind.DELAYED]


@pytest.mark.parametrize(
    ("zone", "offset"), [("Europe/Paris", "+0100"), ("Indian/Reunion", "+0400"), ("UTC", "+0000")]
)
def test_a_report_says_the_time_where_its_readers_live(zone: str, offset: str) -> None:
    service = {"domain": DOMAIN, "hostname": f"mail.{DOMAIN}", "time_zone": zone}
    office = Office(NowExecutor(), settings=make_settings(service=service))
    office.store.owe()
    office.reporter.notify()
    (accepted,) = office.committer.accepted
    assert str(read(office)["Date"]).endswith(offset)
    assert f"({offset})" in text(office)
    assert b" +0000" in accepted.head, "trace is in universal time"
    office.store.close()


# --- many for one address ------------------------------------------------------------------


def owe_many(office: Office, count: int, kind: ReportKind, sender: str = "far@example.net") -> None:
    for number in range(count):
        local, _, domain = sender.partition("@")
        office.store.owe(sender=f"{local}+{number}@{domain}", kind=kind)
    office.reporter.notify()


@pytest.mark.parametrize("kind", [ReportKind.DELIVERED, ReportKind.RELAYED, ReportKind.DELAYED])
def test_a_name_that_may_be_forged_hears_so_often_that_mail_arrived(
    office: Office, kind: ReportKind
) -> None:
    owe_many(office, MOST_OTHERS + 5, kind)
    assert len(office.committer.accepted) == MOST_OTHERS
    assert not office.store.owed


def test_what_failed_is_said_a_hundred_times_an_hour_and_the_rest_later(office: Office) -> None:
    owe_many(office, MOST_FAILED + 3, ReportKind.FAILED)
    assert len(office.committer.accepted) == MOST_FAILED
    assert len(office.store.owed) == 3
    office.store.owe(sender="other@example.net")
    office.reporter.notify()
    assert len(office.committer.accepted) == MOST_FAILED + 1
    office.now_s += HOUR_S + 1
    office.store.acts.clear()
    office.reporter.notify()
    assert len(office.committer.accepted) == MOST_FAILED + 4
    assert not office.store.owed


def test_a_bomb_of_them_hides_nobody_elses(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "MAX_PUT_OFF_LINES", 2)
    owe_many(office, MOST_FAILED + 5, ReportKind.FAILED)
    assert len(office.committer.accepted) == MOST_FAILED
    assert len(office.store.owed) == 2


def test_our_own_people_hear_of_everything(office: Office) -> None:
    for _ in range(MOST_FAILED + 3):
        office.store.owe()
    office.reporter.notify()
    assert len(office.committer.accepted) == MOST_FAILED + 3
