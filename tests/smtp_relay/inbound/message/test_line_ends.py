"""Line ends and NUL: a table of endings for each door, and what is stored, measured and signed."""

from __future__ import annotations

import asyncio

import pytest

from smtp_relay.inbound.service import Listener
from tests.smtp_relay.inbound.fakes import MX, SUBMISSION, Hall, Stage, make_settings
from tests.smtp_relay.inbound.wire import (
    AUTH,
    DATA,
    ENVELOPE,
    HELLO,
    MAIL,
    RCPT,
    SIZES,
    SUBMIT_ENVELOPE,
    begin,
    codes,
    say,
)

HEADER = b"From: marie@ac-exemple.fr\r\nSubject: x\r\n\r\n"
SMUGGLED = b"MAIL FROM:<x@y.fr>\r\nRCPT TO:<marie@ac-exemple.fr>\r\nDATA\r\nhidden\r\n"
REST = b".\r\nNOOP\r\n"

STRANGER, PERSON, MACHINE = "a stranger at mx", "a person", "a trusted network at mx"
WHO = pytest.mark.parametrize("who", [STRANGER, PERSON, MACHINE])


def hall_of(loop: asyncio.AbstractEventLoop, who: str) -> Hall:
    trusts = ("192.0.2.0/29",) if who == MACHINE else ()
    return Hall(loop, settings=make_settings(relay={"trusted_networks": trusts}))


def stage_of(hall: Hall, who: str) -> Stage:
    stage = Stage(hall, SUBMISSION if who == PERSON else MX)
    begin(stage, SUBMIT_ENVELOPE if who == PERSON else ENVELOPE)
    return stage


@SIZES
@WHO
@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (b"\n.\n", b"\r\n\r\n"),
        (b"\n.\r\n", b"\r\n\r\n"),
        (b"\r\n.\n", b"\r\n\r\n"),
        (b"\n.\n\n", b"\r\n\r\n\r\n"),
        (b"\n\n.\r\n", b"\r\n\r\n\r\n"),
        (b"\n..\n", b"\r\n.\r\n"),
        (b"\n..\r\n", b"\r\n.\r\n"),
        (b"\r\n..\n", b"\r\n.\r\n"),
        (b"\n.x\n", b"\r\nx\r\n"),
        (b"\n", b"\r\n"),
        (b"\r\n.\r", None),
        (b"\r.\r", None),
        (b"\r.\r\n", None),
        (b"\n.\r", None),
        (b"\r.\n", None),
        (b"\r\n.\r\r\n", None),
        (b"\r\r\n.\r\n", b"ends"),
        (b"\r\n\0.\r\n", b"NUL"),
        (b"\r\n.\0\r\n", b"NUL"),
    ],
)
def test_only_crlf_dot_crlf_ends_the_data_at_every_door(
    loop: asyncio.AbstractEventLoop, who: str, ending: bytes, text: bytes | None, size: int | None
) -> None:
    """text: what a bare LF becomes; None: a bare CR, refused; `ends`: it holds the true mark."""
    hall = hall_of(loop, who)
    stage = stage_of(hall, who)
    heard = codes(stage.send(HEADER + b"body" + ending + SMUGGLED + REST, size=size))
    if text == b"ends":  # the data ends there, with its bare CR; what follows are commands
        assert heard[0] == "550 5.6.0"
        return
    mended = text is not None and who != STRANGER
    taken = who != PERSON if text == b"NUL" else mended
    assert heard == ["250 2.0.0" if taken else "550 5.6.0", "250 2.0.0"]
    assert len(hall.writer.writes) == int(taken)
    if taken and text != b"NUL":
        assert text is not None
        assert hall.body() == HEADER + b"body" + text + SMUGGLED


@WHO
@SIZES
def test_a_script_that_writes_unix_lines_is_read_and_a_stranger_is_not(
    loop: asyncio.AbstractEventLoop, who: str, size: int | None
) -> None:
    hall = hall_of(loop, who)
    stage = stage_of(hall, who)
    text = b"From: marie@ac-exemple.fr\nSubject: x\n\n.dot\n..two\nlast\n\r\n.\r\n"
    heard = codes(stage.send(text, size=size))
    if who == STRANGER:
        assert heard == ["550 5.6.0"]
        return
    assert heard == ["250 2.0.0"]
    assert hall.body() == HEADER + b"dot\r\n.two\r\nlast\r\n\r\n"
    (write,) = hall.writer.writes
    assert write.facts.header_octets == len(HEADER)
    assert write.facts.dotted_line_count == 1
    assert hall.service.counters.accepted_octets == len(hall.body())


@SIZES
def test_a_hidden_author_behind_a_bare_lf_is_seen(hall: Hall, size: int | None) -> None:
    text = b"From: marie@ac-exemple.fr\nFrom: pierre@ac-exemple.fr\r\n\r\nx\r\n.\r\n"
    assert say(hall, SUBMIT_ENVELOPE + text, listener=SUBMISSION, size=size)[-1] == "550 5.7.1"


def test_the_size_that_counts_is_that_of_the_mended_text(hall: Hall) -> None:
    hall.service.max_octets = len(HEADER) + 200
    for count, answer in ((100, "250 2.0.0"), (101, "552 5.3.4")):
        text = HEADER + b"\n" * (count - 1) + b"\r\n.\r\n"
        assert say(hall, SUBMIT_ENVELOPE + text, listener=SUBMISSION)[-1] == answer


@pytest.mark.parametrize("line", [b"NOOP\n", b"RSET\n"])
def test_a_command_that_ends_with_lf_is_taken_from_our_own_only(
    loop: asyncio.AbstractEventLoop, line: bytes
) -> None:
    for who, answer in ((STRANGER, "500 5.5.2"), (MACHINE, "250 2.0.0")):
        assert say(hall_of(loop, who), HELLO + line)[-1] == answer
    hall = hall_of(loop, PERSON)
    assert say(hall, HELLO + line, listener=SUBMISSION)[-1] == "500 5.5.2"
    assert say(hall, HELLO + AUTH + line, listener=SUBMISSION)[-1] == "250 2.0.0"
    assert say(hall, HELLO + AUTH + b"NO\rOP\n", listener=SUBMISSION)[-1] == "500 5.5.2"


# --- NUL ------------------------------------------------------------------------------------


@SIZES
@pytest.mark.parametrize("listener", [MX, SUBMISSION], ids=lambda one: one.name)
@pytest.mark.parametrize(
    "text",
    [
        HEADER + b"a\0b\r\n",
        HEADER + b"\0\r\n",
        HEADER + b"x\r\n\0.\r\nMAIL FROM:<x@y.fr>\r\n",
        b"From: marie@ac-exemple.fr\r\nX-Note: a\0b\r\n\r\nx\r\n",
        b"\0From: marie@ac-exemple.fr\r\n\r\nx\r\n",
        HEADER + b"z" * 300_000 + b"\0\r\n",
    ],
    ids=["text", "alone", "before a dot", "header", "first", "far down"],
)
def test_nul_is_refused_where_people_submit_and_kept_from_strangers(
    hall: Hall, listener: Listener, text: bytes, size: int | None
) -> None:
    if size is not None and len(text) > 10_000:
        size = 4093
    talk = SUBMIT_ENVELOPE if listener is SUBMISSION else HELLO + MAIL + RCPT + DATA
    heard = say(hall, talk + text + b".\r\n", listener=listener, size=size)
    if listener is SUBMISSION:
        assert heard[-1] == "550 5.6.0"
        assert hall.writer.writes == []
    else:
        assert heard[-1] == "250 2.0.0"
        assert hall.body() == text
        assert hall.writer.writes[0].facts.has_nul
