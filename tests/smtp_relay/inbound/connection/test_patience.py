"""Refusals and junk end a session; a message that was accepted forgives them."""

from __future__ import annotations

import base64

import pytest
import structlog

from mailserver.auth.gate import Throttled
from smtp_relay.inbound.service import Listener
from tests.smtp_relay.inbound.fakes import MX, SUBMISSION, Hall, Stage, make_settings
from tests.smtp_relay.inbound.wire import AUTH, ENVELOPE, HELLO, MAIL, RCPT, codes

MESSAGE = b"Subject: x\r\n\r\nx\r\n.\r\n"
MOST = 100_000
UNKNOWN = b"RCPT TO:<nobody@ac-exemple.fr>\r\n"
ELSEWHERE = b"RCPT TO:<x@elsewhere.example>\r\n"
END = "421 4.7.0"


def until_the_end(hall: Hall, line: bytes, *, before: bytes = HELLO, at: Listener = MX) -> int:
    """How often a line is answered before the session ends, with 421."""
    stage = Stage(hall, at)
    stage.send(before)
    stage.heard()
    heard: list[str] = []
    for _ in range(MOST):
        heard += codes(stage.send(line))
        if stage.was_closed():
            break
    assert stage.was_closed(), "it never ends"
    assert heard[-1] == END
    return len(heard) - 1


@pytest.mark.parametrize(
    ("line", "before", "most"),
    [
        (b"NOOP\r\n", HELLO, 100),
        (b"RSET\r\n", HELLO, 100),
        (HELLO, b"", 100),
        (b"HELO x\r\n", b"", 100),
        (b"HELP\r\n", HELLO, 100),
        (b"VRFY marie\r\n", HELLO, 100),
        (b"EXPN list\r\n", HELLO, 20),
        (b"XYZZY\r\n", HELLO, 20),
        (b"\r\n", HELLO, 20),
        (b" NOOP\r\n", HELLO, 20),
        (b"NOOP\n", HELLO, 20),
        (b"EHLO\r\n", b"", 20),
        (b"DATA\r\n", HELLO, 20),
        (b"MAIL FROM:<a b@c>\r\n", HELLO, 20),
        (b"MAIL FROM:<a@b.fr> SIZE=99999999999\r\n", HELLO, 20),
        (b"MAIL FROM:<a@b.fr> X=1\r\n", HELLO, 20),
        (b"RCPT TO:<>\r\n", HELLO + MAIL, 20),
        (UNKNOWN, HELLO + MAIL, 50),
        (ELSEWHERE, HELLO + MAIL, 50),
        (b"AUTH PLAIN x\r\n", HELLO, 20),
        (b"STARTTLS\r\n", HELLO, 20),
        (b"x" * 3000 + b"\r\n", HELLO, 20),
        (MAIL + b"RSET\r\n", HELLO, 200),
        (ENVELOPE[len(HELLO) :] + b"A: b\n\r\n.\r\n", HELLO, 80),
    ],
)
def test_whatever_leads_nowhere_has_an_end(
    hall: Hall, line: bytes, before: bytes, most: int
) -> None:
    assert until_the_end(hall, line, before=before) <= most


@pytest.mark.parametrize("trusted", [False, True], ids=["signed in", "trusted network"])
def test_our_own_people_may_mistype_two_thousand_addresses(hall: Hall, *, trusted: bool) -> None:
    relay = {"trusted_networks": ["192.0.2.0/24"]} if trusted else {}
    hall = Hall(hall.loop, settings=make_settings(relay=relay))
    before = HELLO + (b"" if trusted else AUTH) + b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
    assert 1950 <= until_the_end(hall, UNKNOWN, before=before, at=SUBMISSION) <= 2000


def test_more_recipients_than_a_message_may_have_do_not_end_the_session(hall: Hall) -> None:
    hall = Hall(hall.loop, settings=make_settings(max_recipients=100))
    stage = Stage(hall)
    heard = codes(stage.send(HELLO + MAIL + RCPT * 190 + b"DATA\r\n" + MESSAGE))
    assert heard[-1] == "250 2.0.0"
    assert heard.count("452 4.5.3") == 90


def test_a_session_that_delivers_well_is_never_cut(hall: Hall) -> None:
    stage = Stage(hall)
    stage.send(HELLO)
    for _ in range(60):
        stage.send(b"NOOP\r\nXYZZY\r\nRSET\r\n" + MAIL + UNKNOWN * 4)
        assert codes(stage.send(RCPT + b"DATA\r\n" + MESSAGE))[-1] == "250 2.0.0"
    assert not stage.was_closed()


def cancel(stage: Stage) -> None:
    stage.send(b"AUTH LOGIN\r\n")
    stage.send(b"*\r\n")


def test_cancelled_sign_ins_count(hall: Hall) -> None:
    stage = Stage(hall, SUBMISSION)
    stage.send(HELLO)
    for _ in range(20):
        assert not stage.was_closed()
        cancel(stage)
    assert codes(stage.heard())[-2:] in (["501 5.7.0", END], [END], [])
    assert stage.was_closed()


def test_a_try_that_is_told_to_wait_counts_and_has_words_of_its_own(hall: Hall) -> None:
    hall.gate.fixed = Throttled()
    stage = Stage(hall, SUBMISSION)
    stage.send(HELLO)
    heard = b""
    for _ in range(5):
        heard += stage.send(AUTH)
    assert codes(heard)[-6:] == ["454 4.7.0"] * 5 + [END]
    assert b"Too many passwords were tried" in heard
    assert stage.was_closed()


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.fr>\r\n",
        b"PUT /x HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:25 HTTP/1.1\r\n",
        b"SSH-2.0-x\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # no line end: it would be waited for
        b"\x16\x03\x01\n",
        b"GET / HTTP/1.1\n",
        b"GET /" + b"x" * 3000,
    ],
)
@pytest.mark.parametrize("size", [None, 1], ids=["whole", "octet by octet"])
def test_another_protocol_ends_the_session_at_once(
    hall: Hall, octets: bytes, size: int | None
) -> None:
    stage = Stage(hall)
    stage.heard()
    assert codes(stage.send(octets, size=size)) == [END]
    assert stage.was_closed()


def test_what_looks_like_http_within_a_message_is_a_message(hall: Hall) -> None:
    stage = Stage(hall)
    stage.send(ENVELOPE)
    heard = stage.send(b"Subject: x\r\n\r\nGET / HTTP/1.1\r\n\x16\x03\x01\r\n.\r\n")
    assert codes(heard) == ["250 2.0.0"]


def test_the_log_has_three_lines_of_a_kind_and_then_a_number(hall: Hall) -> None:
    with structlog.testing.capture_logs() as said:
        until_the_end(hall, UNKNOWN, before=HELLO + MAIL)
        hall.loop.run_until_complete(_nothing())
    refused = [line for line in said if str(line["event"]).startswith("recipient refused")]
    assert len(refused) == 4
    assert refused[-1]["repeats"] == 47


async def _nothing() -> None:
    return


def test_many_sessions_of_one_block_are_bounded_too(hall: Hall) -> None:
    with structlog.testing.capture_logs() as said:
        for _ in range(100):
            until_the_end(hall, UNKNOWN, before=HELLO + MAIL)
    assert len(said) <= 110


def test_base64_that_is_none_counts(hall: Hall) -> None:
    line = b"AUTH PLAIN " + base64.b64encode(b"x") + b"\r\n"
    assert until_the_end(hall, line, before=HELLO, at=SUBMISSION) <= 20
