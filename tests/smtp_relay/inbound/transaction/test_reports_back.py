"""An address that we rewrote takes reports to one person, and is no relay."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.writes import Failed
from mailserver.values.address import Address
from mailserver.values.message import InlineBody
from smtp_relay.inbound.message.cutting import MOST_REPORT_OCTETS, Cut
from smtp_relay.inbound.message.foreign_report import read_foreign
from smtp_relay.inbound.message.header import HeaderBlock
from smtp_relay.inbound.transaction.recipients import MOST_REPORTS_A_DAY
from tests.dkim.verifier import make_signer, verdicts, zone_of
from tests.smtp_relay.inbound.fakes import DOMAIN, Hall, make_target
from tests.smtp_relay.inbound.transaction.test_recipients import answer, rcpt, srs_address
from tests.smtp_relay.inbound.wire import DATA, HELLO, say

SHARED = Path(__file__).parents[5] / "shared" / "data"
NULL = b"MAIL FROM:<>\r\n"
HEADER = b"From: mailer@far.example\r\nSubject: failure notice\r\n\r\n"
FIRST = Address("a", "example.org")
TARGET, HOST, PEER = "secret.home", "provider.example", "203.0.113.77"


def stored(hall: Hall) -> bytes:
    body = hall.writer.writes[-1].body
    assert isinstance(body, InlineBody)
    return body.octets


def shows(hall: Hall) -> None:
    """Marie lets senders read where her mail goes on to."""
    hall.store.targets[f"marie@{DOMAIN}"] = make_target(
        7, forward_to=f"{TARGET}@{HOST}", keeps_copy=False, shows_forward=True
    )


def hides(hall: Hall) -> None:
    shows(hall)
    hall.store.targets[f"marie@{DOMAIN}"] = replace(
        hall.store.targets[f"marie@{DOMAIN}"], shows_forward=False
    )


@pytest.mark.parametrize("size", [None, 7, 1000])
def test_a_report_of_any_form_goes_on_with_its_header_and_its_first_lines(
    hall: Hall, size: int | None
) -> None:
    shows(hall)
    text = b"Hi. This is qmail; I was not able to deliver to marie@ac-exemple.fr.\r\n" * 2000
    talk = HELLO + NULL + rcpt(srs_address(hall, FIRST)) + DATA + HEADER + text + b".\r\n"
    assert say(hall, talk, size=size)[-1] == "250 2.0.0"
    octets = stored(hall)
    assert octets.startswith(HEADER + b"Hi. This is qmail")
    assert octets.endswith(b"\r\n")
    assert MOST_REPORT_OCTETS - 100 < len(octets) - len(HEADER) <= MOST_REPORT_OCTETS + 2


def test_a_short_report_goes_on_whole(hall: Hall) -> None:
    shows(hall)
    text = b"no <marie@ac-exemple.fr>\r\n"
    talk = HELLO + NULL + rcpt(srs_address(hall, FIRST)) + DATA + HEADER + text + b".\r\n"
    assert say(hall, talk)[-1] == "250 2.0.0"
    assert stored(hall) == HEADER + text


def test_so_many_a_day_for_one_address_and_no_more(hall: Hall) -> None:
    to = srs_address(hall, FIRST)
    answers = [answer(hall, sender=NULL, to=to) for _ in range(MOST_REPORTS_A_DAY + 1)]
    assert answers == ["250 2.1.5"] * MOST_REPORTS_A_DAY + ["450 4.7.1"]
    assert answer(hall, sender=NULL, to=to.upper()) == "450 4.7.1"
    other = srs_address(hall, Address("b", "example.org"))
    assert answer(hall, sender=NULL, to=other) == "250 2.1.5"


def test_the_same_report_goes_on_once_a_day_and_is_answered_as_before(hall: Hall) -> None:
    """Compared is what would go on: what stands behind the first lines makes no other report."""
    to = rcpt(srs_address(hall, FIRST))
    named = b"Message-ID: <n@far.example>\r\n" + HEADER + b"no\r\n" * 20_000
    for rest in (b"", b"", b"and more\r\n"):
        assert say(hall, HELLO + NULL + to + DATA + named + rest + b".\r\n")[-1] == "250 2.0.0"
    assert len(hall.writer.writes) == 1
    others = (named.replace(b"<n@", b"<m@"), named.replace(b"no\r\n", b"na\r\n", 1))
    for count, text in enumerate(others, start=2):
        say(hall, HELLO + NULL + to + DATA + text + b".\r\n")
        assert len(hall.writer.writes) == count
    other = rcpt(srs_address(hall, Address("b", "example.org")))
    say(hall, HELLO + NULL + other + DATA + named + b".\r\n")
    assert len(hall.writer.writes) == 4


def test_a_report_that_was_not_stored_goes_on_when_it_comes_again(hall: Hall) -> None:
    talk = HELLO + NULL + rcpt(srs_address(hall, FIRST)) + DATA + HEADER + b"no\r\n.\r\n"
    stored, hall.writer.outcome = hall.writer.outcome, lambda _: Failed(StoreUnavailable("busy"))
    assert say(hall, talk)[-1].startswith("451")
    hall.writer.outcome = stored
    assert say(hall, talk)[-1] == "250 2.0.0"
    assert len(hall.writer.writes) == 2


def test_a_report_stands_alone_in_its_transaction(hall: Hall) -> None:
    report, here = rcpt(srs_address(hall, FIRST)), rcpt(f"marie@{DOMAIN}")
    assert say(hall, HELLO + NULL + report + here)[-2:] == ["250 2.1.5", "452 4.5.3"]
    assert say(hall, HELLO + NULL + here + report)[-2:] == ["250 2.1.5", "452 4.5.3"]


@given(
    st.lists(st.sampled_from([b"a", b"\r\n", b"bb bb", b"\r", b"\n"]), max_size=60).map(b"".join),
    st.integers(1, 7),
    st.integers(0, 40),
)
def test_what_passes_is_a_beginning_that_ends_a_line(text: bytes, size: int, most: int) -> None:
    block = HeaderBlock(max_octets=1000, keep=False)
    cut, passed, message = Cut(block, most), b"", HEADER + text
    for at in range(0, len(message), size):
        piece = message[at : at + size]
        if not block.is_complete:
            piece = block.feed(piece)
        passed += cut.take(piece)
    assert passed.startswith(HEADER)
    assert len(passed) <= len(HEADER) + most + 2
    assert message.startswith((passed, passed.rstrip(b"\r\n")))
    if len(passed) < len(message):
        assert passed.endswith(b"\n")


# --- where somebody's mail goes on to ------------------------------------------------------------

ORIGINAL = (
    f"Received: from mel.ac-exemple.fr by mx.{HOST} ([{PEER}]) for <{TARGET}@{HOST}>; x\r\n"
    "X-Loop: MARK\r\n"
    f"Delivered-To: {TARGET}@{HOST}\r\n"
    "From: A <a@example.org>\r\n"
    f"To: Marie <marie@{DOMAIN}>\r\n"
    "Subject: Sortie au =?utf-8?q?mus=C3=A9e?=\r\n"
    "Message-ID: <one@example.org>\r\n"
    "Date: Tue, 4 Aug 2026 10:06:00 +0200\r\n"
    "\r\n"
    "the text\r\n"
)
POSTFIX = (
    f"From: MAILER-DAEMON@mx.{HOST} (Mail Delivery System)\r\n"
    "Subject: Undelivered Mail Returned to Sender\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    f"--b\r\n\r\n<{TARGET}@{HOST}>: host lmtp.{HOST}[{PEER}] said: 550 5.1.1 {TARGET} unknown\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    f"Reporting-MTA: dns; mx.{HOST}\r\n\r\n"
    f"Original-Recipient: rfc822;marie@{DOMAIN}\r\n"
    f"Final-Recipient: rfc822; {TARGET}@{HOST}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    f"Remote-MTA: dns; lmtp.{HOST}\r\n"
    f"Diagnostic-Code: smtp; 550 5.1.1 {TARGET} unknown\r\n\r\n"
    f"--b\r\nContent-Type: message/rfc822\r\n\r\n{ORIGINAL}--b--\r\n"
)
QMAIL = (
    f"From: MAILER-DAEMON@{HOST}\r\nSubject: failure notice\r\n\r\n"
    f"Hi. This is the qmail-send program at mx.{HOST}.\r\n\r\n<{TARGET}@{HOST}>:\r\n"
    f"{PEER} does not like recipient.\r\nRemote host said: 550 5.1.1 no {TARGET}\r\n"
    f"Giving up on {PEER}.\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n"
    f"{ORIGINAL}"
)
EXIM = (
    f"X-Failed-Recipients: {TARGET}@{HOST}\r\n"
    f"From: Mail Delivery System <Mailer-Daemon@mx.{HOST}>\r\n"
    "Subject: Mail delivery failed: returning message to sender\r\n\r\n"
    f"  {TARGET}@{HOST}\r\n    host lmtp.{HOST} [{PEER}]\r\n"
    f"    SMTP error from remote mail server: 550 5.1.1 <{TARGET}>: unknown\r\n\r\n"
    "------ This is a copy of the message, including all the headers. ------\r\n\r\n"
    f"{ORIGINAL}"
)
FORMS = pytest.mark.parametrize("report", [POSTFIX, QMAIL, EXIM], ids=["postfix", "qmail", "exim"])


def sent_back(hall: Hall, report: str, *, stuffed: bool = True) -> str:
    """All that goes on; checked: whose report it was is in none of it."""
    octets = report.encode().replace(b"\r\n.", b"\r\n..") if stuffed else report.encode()
    talk = b"EHLO mx." + HOST.encode() + b"\r\n" + NULL + rcpt(srs_address(hall, FIRST)) + DATA
    assert say(hall, talk + octets + b".\r\n")[-1] == "250 2.0.0"
    write = hall.writer.writes[-1]
    text = (write.head + stored(hall)).decode()
    for secret in (TARGET, HOST, PEER, "secret"):
        assert secret not in text
    assert write.facts.header_octets == stored(hall).index(b"\r\n\r\n") + 4
    return text


@FORMS
@pytest.mark.parametrize("has_mark", [True, False])
def test_a_report_of_another_server_becomes_one_of_ours(
    hall: Hall, report: str, has_mark: bool
) -> None:
    hides(hall)
    hall.store.targets[f"pierre@{DOMAIN}"] = make_target(8, forward_to="p@other.example")
    if has_mark:
        report = report.replace("To: Marie", f"To: pierre@{DOMAIN}, Marie")
        report = report.replace("MARK", hall.service.srs.mark("7"))
    text = sent_back(hall, report)
    assert f"marie@{DOMAIN}" in text
    assert f"Final-Recipient: rfc822; marie@{DOMAIN}\r\nAction: failed\r\nStatus: 5.1.1" in text
    assert "550 5.1.1" in text
    assert "Subject: Sortie au =?utf-8?q?mus=C3=A9e?=" in text
    assert "In-Reply-To: <one@example.org>" in text
    assert "To: a@example.org" in text


def test_our_report_is_signed(hall: Hall) -> None:
    """It says that it is from us, and other servers look (RFC 7489)."""
    hides(hall)
    hall.service.signer = make_signer(DOMAIN)
    text = sent_back(hall, POSTFIX)
    assert verdicts(text.encode(), zone_of(hall.service.signer)) == [True, True]


@FORMS
def test_who_cannot_be_told_is_not_named(hall: Hall, report: str) -> None:
    hides(hall)
    hall.store.targets[f"pierre@{DOMAIN}"] = make_target(8, forward_to="p@other.example")
    text = sent_back(hall, report.replace("To: Marie", f"To: pierre@{DOMAIN}, Marie"))
    assert f"Final-Recipient: rfc822; undisclosed@{DOMAIN}" in text
    assert f"marie@{DOMAIN}" not in text


def test_a_report_without_the_original_goes_on(hall: Hall) -> None:
    hides(hall)
    text = sent_back(hall, POSTFIX.replace(ORIGINAL, "").replace(f"marie@{DOMAIN}", "x@y.example"))
    assert f"undisclosed@{DOMAIN}" in text


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_what_is_no_failure_says_what_it_is(hall: Hall, action: str) -> None:
    hides(hall)
    status = "4.4.1" if action == "delayed" else "2.0.0"
    report = POSTFIX.replace("Action: failed", f"Action: {action}").replace("5.1.1", status)
    text = sent_back(hall, report)
    assert f"Action: {action}" in text
    assert f"Status: {status}" in text


@pytest.mark.parametrize(
    "report",
    [
        f"From: Marie <{TARGET}@{HOST}>\r\nSubject: Automatic reply: x\r\n\r\nAway.\r\n",
        f"From: {TARGET}@{HOST}\r\nAuto-Submitted: auto-replied\r\nSubject: Re: x\r\n\r\nHi\r\n",
        POSTFIX.replace("delivery-status; b", "disposition-notification; b"),
        POSTFIX.replace("delivery-status; b", "feedback-report; b"),
        f"From: {TARGET}@{HOST}\r\nSubject: =?utf-8?b?UsOpcG9uc2UgYXV0b21hdGlxdWU=?=\r\n\r\nx\r\n",
        "\r\nx\r\n",
        "x\r\n",
    ],
)
def test_what_is_no_report_does_not_go_on(hall: Hall, report: str) -> None:
    hides(hall)
    talk = HELLO + NULL + rcpt(srs_address(hall, FIRST)) + DATA + report.encode() + b".\r\n"
    assert say(hall, talk)[-1] == "550 5.7.1"
    assert hall.writer.writes == []


def test_one_who_shows_does_not_show_for_another(hall: Hall) -> None:
    hides(hall)
    hall.store.targets[f"pierre@{DOMAIN}"] = make_target(
        8, forward_to="p@other.example", shows_forward=True
    )
    sent_back(hall, POSTFIX.replace("To: Marie", f"To: pierre@{DOMAIN}, Marie"))


@given(st.binary(max_size=300), st.integers(0, len(QMAIL)))
def test_whatever_comes_is_a_report_or_none(junk: bytes, at: int) -> None:
    for octets in (junk, QMAIL.encode()[:at] + junk, POSTFIX.encode()[:at] + junk):
        found = read_foreign(octets)
        if found is not None:
            assert HOST.encode() not in found.block or HOST.encode() in junk
            assert found.words == "" or found.words[:1] in "45"


def test_reports_of_fifty_servers_are_known_as_such() -> None:
    """All but eight files, which are complaints, answers, and notices of no known form."""
    archive = SHARED / "messages.tar.gz"
    if not archive.exists():
        pytest.skip(f"{archive} is not here: real reports are not tried")
    known, unknown = 0, 0
    with tarfile.open(archive) as tar:
        for member in tar:
            if "/dsn/" not in member.name or not member.name.endswith(".eml"):
                continue
            file = tar.extractfile(member)
            assert file is not None
            name = member.name.rpartition("/")[2]
            is_report = read_foreign(file.read(64 * 1024)) is not None
            if name.startswith("arf-"):
                assert not is_report, name
            elif name.startswith("rfc3834"):
                unknown += not is_report
            else:
                known, unknown = known + is_report, unknown + (not is_report)
    assert known > 290
    assert unknown <= 8
