"""Peers that close, stall, talk out of turn, for ever or nonsense: the copy, its journey, the rest.

One run of `misdeeds.live_through` for the whole table.
"""

from __future__ import annotations

import socket
import struct

import pytest

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from smtp_relay.delivery.client.options import Times
from smtp_relay.delivery.schedule.outcomes import MAY_HAVE_ARRIVED
from smtp_relay.delivery.verdicts import Phase
from tests.smtp_relay.delivery.client.live import run
from tests.smtp_relay.delivery.misdeeds import Case, Deed, End, Story, live_through
from tests.smtp_relay.delivery.peers import Wire

SAID = {CopyState.QUEUED: "deferred", CopyState.RETURNED: "returned"}
MIB = 1024 * 1024
CLOSED = "it closed the connection while we waited for"


def later(status: str, words: str) -> End:
    return End(CopyState.QUEUED, status, words)


def gone(status: str, words: str) -> End:
    return End(CopyState.RETURNED, status, words)


async def leave(_wire: Wire) -> None:
    """Returning closes the connection."""


async def reset(wire: Wire) -> None:
    """As a machine that crashed: RST instead of FIN."""
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.cut()


async def stall(wire: Wire) -> None:
    await wire.stall()


def says(*lines: str) -> Deed:
    """And then does nothing more."""

    async def deed(wire: Wire) -> None:
        await wire.say(*lines)
        await wire.rest()

    return deed


def for_ever(octets: bytes) -> Deed:
    return lambda wire: wire.say_for_ever(octets)


def case(name: str, phase: Phase, deed: Deed | None, *ends: End, **more: Times) -> Case:
    return Case(name=name, phase=phase, deed=deed, ends=ends, **more)


CLOSES = [
    case("closed-port", Phase.CONNECT, None, later("4.4.1", "connecting: no connection: ")),
    *(
        case(f"leaves-at-{name}", phase, leave, later("4.4.2", words))
        for name, phase, words in (
            ("greeting", Phase.GREETING, f"greeting: {CLOSED} its greeting"),
            ("ehlo", Phase.HELLO, f"EHLO: {CLOSED} its answer to EHLO"),
            ("starttls", Phase.TLS, f"TLS handshake: {CLOSED} its answer to STARTTLS"),
            ("mail", Phase.MAIL, f"{CLOSED} its answer to MAIL"),
            ("rcpt", Phase.RCPT, f"{CLOSED} its answer to RCPT"),
            ("data", Phase.DATA, f"{CLOSED} its answer to DATA"),
            ("dot", Phase.DOT, f"{CLOSED} its answer to the end of the message{MAY_HAVE_ARRIVED}"),
        )
    ),
    *(
        case(f"reset-at-{name}", phase, reset, later("4.4.2", words))
        for name, phase, words in (
            ("greeting", Phase.GREETING, "greeting: the connection broke: Connection reset"),
            ("mail", Phase.MAIL, "the connection broke: Connection reset"),
            ("body", Phase.BODY, "the connection broke: "),
            ("dot", Phase.DOT, MAY_HAVE_ARRIVED),
        )
    ),
]
TALKS = [
    case(
        "talks-before-its-banner",
        Phase.GREETING,
        says("wait a moment", "220 peer.test ESMTP"),
        later("4.5.0", "greeting: an answer that makes no sense: wait a moment"),
    ),
    case(
        "talks-behind-its-banner",
        Phase.GREETING,
        says("220 peer.test ESMTP", "250 and welcome"),
        later("4.5.0", "an answer to nothing: 250 and welcome"),
    ),
]
ENDLESS = [
    case(name, phase, for_ever(octets), later("4.5.0", words))
    for name, phase, octets, words in (
        ("a-gigabyte-of-banner", Phase.GREETING, b"2" * MIB, "of more than 4096 octets"),
        ("a-banner-without-end", Phase.GREETING, b"220 " + b"x" * MIB, "of more than 4096 octets"),
        ("a-banner-of-lines", Phase.GREETING, b"220-more\r\n" * 9999, "of more than 200 lines"),
        (
            "long-lines-of-ehlo",
            Phase.HELLO,
            b"250-%4000d\r\n" % 1 * 99,
            "of more than 65536 octets",
        ),
        ("lines-at-mail", Phase.MAIL, b"250-more\r\n" * 9999, "of more than 200 lines"),
        ("lines-at-rcpt", Phase.RCPT, b"450-more\r\n" * 9999, "of more than 200 lines"),
        ("lines-at-data", Phase.DATA, b"354-more\r\n" * 9999, "of more than 200 lines"),
        ("lines-at-dot", Phase.DOT, b"250-more\r\n" * 9999, f"200 lines{MAY_HAVE_ARRIVED}"),
    )
]
SENSELESS = [
    case(name, phase, says(*lines), later("4.5.0", words))
    for name, phase, lines, words in (
        ("banner-354", Phase.GREETING, ("354 go",), "makes no sense here: 354 go"),
        ("banner-099", Phase.GREETING, ("099 go",), "makes no sense: 099 go"),
        ("banner-600", Phase.GREETING, ("600 go",), "makes no sense: 600 go"),
        ("banner-http", Phase.GREETING, ("HTTP/1.1 400 Bad Request",), "HTTP/1.1 400 Bad Request"),
        ("ehlo-354", Phase.HELLO, ("354 go",), "EHLO: an answer that makes no sense here: 354 go"),
        ("ehlo-two-codes", Phase.HELLO, ("250-peer", "550 no"), "two codes in one answer: 250 550"),
        ("starttls-354", Phase.TLS, ("354 go",), "makes no sense here: 354 go"),
        ("mail-354", Phase.MAIL, ("354 go",), "makes no sense here: 354 go"),
        ("rcpt-334", Phase.RCPT, ("334 go",), "makes no sense here: 334 go"),
        ("data-250", Phase.DATA, ("250 go",), "makes no sense here: 250 go"),
        ("dot-354", Phase.DOT, ("354 go",), f"makes no sense here: 354 go{MAY_HAVE_ARRIVED}"),
        ("dot-escape", Phase.DOT, ("\x1b[2J",), r"makes no sense: \x1b[2J"),
    )
]
REFUSES = [
    case("banner-554", Phase.GREETING, says("554 5.3.2 no"), later("4.3.2", "greeting: 554 5.3.2")),
    case("mail-550", Phase.MAIL, says("550 5.7.1 spam"), gone("5.7.1", "550 5.7.1 spam")),
    case("rcpt-550", Phase.RCPT, says("550 no such user"), gone("5.0.0", "550 no such user")),
    case("data-554", Phase.DATA, says("554 5.6.0 no"), gone("5.6.0", "554 5.6.0 no")),
    case("mail-421", Phase.MAIL, says("421 4.3.2 bye"), later("4.3.2", "421 4.3.2 bye")),
    case("dot-421", Phase.DOT, says("421 4.3.2 bye"), later("4.3.2", "421 4.3.2 bye")),
    case(
        "dot-421-for-ever",
        Phase.DOT,
        for_ever(b"421 4.3.2 bye\r\n" * 9999),
        later("4.3.2", "421 4.3.2 bye"),
    ),
    case(
        "dot-451-after-250-to-all",
        Phase.DOT,
        says("451 4.7.1 greylisted"),
        *[later("4.7.1", "451 4.7.1 greylisted")] * 3,
    ),
    case(
        "dot-554-after-250-to-all",
        Phase.DOT,
        says("554 5.7.1 spam"),
        *[gone("5.7.1", "554 5.7.1 spam")] * 3,
    ),
]
LATE = [
    case(f"late-at-{name}", phase, deed, later("4.4.2", words), times=Times(**{limit: 0.1}))
    for name, phase, deed, limit, words in (
        ("greeting", Phase.GREETING, stall, "greeting_s", "we waited for its greeting"),
        ("ehlo", Phase.HELLO, stall, "command_s", "we waited for its answer to EHLO"),
        (
            "the-end-of-ehlo",
            Phase.HELLO,
            says("250-wait"),
            "command_s",
            "we waited for its answer to EHLO",
        ),
        ("starttls", Phase.TLS, stall, "command_s", "we waited for its answer to STARTTLS"),
        ("mail", Phase.MAIL, stall, "command_s", "we waited for its answer to MAIL"),
        ("rcpt", Phase.RCPT, stall, "command_s", "we waited for its answer to RCPT"),
        ("data", Phase.DATA, stall, "data_s", "we waited for its answer to DATA"),
        ("body", Phase.BODY, stall, "block_s", "we waited for it to take the message"),
        ("dot", Phase.DOT, stall, "dot_s", f"the end of the message{MAY_HAVE_ARRIVED}"),
    )
]
CASES = [*CLOSES, *TALKS, *ENDLESS, *SENSELESS, *REFUSES, *LATE]


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    found: dict[str, Story] = {}

    async def play() -> None:
        found.update(await live_through(tmp_path_factory.mktemp("agency"), CASES))

    run(play())
    return found


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_the_copy_ends_in_its_state_and_its_journey_says_why(
    stories: dict[str, Story], one: Case
) -> None:
    story = stories[one.name]
    assert len(story.copies) == len(one.ends)
    for copy, end in zip(story.copies, one.ends, strict=True):
        last = copy.attempts[-1]
        assert copy.state is end.state, story.told
        assert last.attempt.status == end.status, story.told
        assert end.words in last.attempt.words
        assert (
            "deferred by mx" if end.state is CopyState.QUEUED else "returned by mx"
        ) in story.told
        assert end.words in story.told
        assert copy.owed == (() if end.state is CopyState.QUEUED else (ReportKind.FAILED,))


@pytest.mark.parametrize("one", ENDLESS, ids=lambda one: one.name)
def test_who_never_ends_is_cut_off_long_before_a_gigabyte(
    stories: dict[str, Story], one: Case
) -> None:
    """What the sockets of both sides hold, and no more: nothing of it is kept."""
    for wire in stories[one.name].wires:
        assert wire.said_octets < 64 * MIB


def test_whoever_was_broken_off_never_saw_a_message_end_twice(stories: dict[str, Story]) -> None:
    for one in CASES:
        assert sum(len(wire.messages) for wire in stories[one.name].wires) <= 1, one.name
