"""An address that we rewrote takes reports to one person, and is no relay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.writes import Failed
from mailserver.values.address import Address
from mailserver.values.message import InlineBody
from smtp_relay.inbound.message.cutting import MOST_REPORT_OCTETS, Cut
from smtp_relay.inbound.message.headers import HeaderBlock
from smtp_relay.inbound.transaction.recipients import MOST_REPORTS_A_DAY
from tests.smtp_relay.inbound.fakes import DOMAIN, Hall
from tests.smtp_relay.inbound.transaction.test_recipients import answer, rcpt, srs_address
from tests.smtp_relay.inbound.wire import DATA, HELLO, say

NULL = b"MAIL FROM:<>\r\n"
HEADER = b"From: mailer@far.example\r\nSubject: failure notice\r\n\r\n"
FIRST = Address("a", "example.org")


def stored(hall: Hall) -> bytes:
    body = hall.writer.writes[-1].body
    assert isinstance(body, InlineBody)
    return body.octets


@pytest.mark.parametrize("size", [None, 7, 1000])
def test_a_report_of_any_form_goes_on_with_its_header_and_its_first_lines(
    hall: Hall, size: int | None
) -> None:
    text = b"Hi. This is qmail; I was not able to deliver your message.\r\n" * 2000
    talk = HELLO + NULL + rcpt(srs_address(hall, FIRST)) + DATA + HEADER + text + b".\r\n"
    assert say(hall, talk, size=size)[-1] == "250 2.0.0"
    octets = stored(hall)
    assert octets.startswith(HEADER + b"Hi. This is qmail")
    assert octets.endswith(b"\r\n")
    assert MOST_REPORT_OCTETS - 100 < len(octets) - len(HEADER) <= MOST_REPORT_OCTETS + 2


def test_a_short_report_goes_on_whole(hall: Hall) -> None:
    talk = HELLO + NULL + rcpt(srs_address(hall, FIRST)) + DATA + HEADER + b"no\r\n.\r\n"
    assert say(hall, talk)[-1] == "250 2.0.0"
    assert stored(hall) == HEADER + b"no\r\n"


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
