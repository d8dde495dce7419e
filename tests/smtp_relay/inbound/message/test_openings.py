"""How messages begin: with a header, without one, under a mailbox file's line; what readers see."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.inbound.message.body import MAX_OPENING_OCTETS, Opening, read_opening
from tests.smtp_relay.inbound.fakes import MX, SUBMISSION, Hall, make_settings
from tests.smtp_relay.inbound.wire import ENVELOPE, SIZES, SUBMIT_ENVELOPE, say

FIELDS = b"From: marie@ac-exemple.fr\r\nSubject: x\r\n"
SEPARATOR = b"From marie@ac-exemple.fr Mon Nov 30 10:00:00 2026\r\n"


def shown(hall: Hall) -> Message:
    """As a reader's program gets it."""
    (write,) = hall.writer.writes
    return message_from_bytes(write.return_path + write.head + hall.body())


def text_of(message: Message) -> bytes:
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    return text


@SIZES
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello\r\n",
        b"hello\r\n\r\nworld: not a field\r\n",
        b"Dear all: no field, there is a space\r\nSubject: x\r\n",
        b" folded: onto nothing\r\nSubject: x\r\n\r\nhello\r\n",
        b"\tfolded\r\n",
        b": no name\r\n",
        b"\xe9t\xe9: not ASCII\r\n",
        b"\0: NUL\r\n",
        b"http\r\n://\r\n",
        b"From here on\r\nwe go\r\n",
        b"From here on\r\n",
        b"From x\r\n\r\nhello\r\n",
        b"n" * 3000 + b": no name is so long\r\n",
        b".\r\n",
        b"From one\r\nFrom two\r\nSubject: x\r\n\r\n",
    ],
)
def test_what_brings_no_header_stands_below_ours_as_text(
    hall: Hall, text: bytes, size: int | None
) -> None:
    stuffed = b"." + text if text.startswith(b".") else text
    assert say(hall, ENVELOPE + stuffed + b".\r\n", size=size)[-1] == "250 2.0.0"
    assert hall.body() == text
    (write,) = hall.writer.writes
    assert write.head.endswith(b"\r\n\r\n")
    assert write.facts.header_octets == 0
    assert text_of(shown(hall)) == text
    assert shown(hall)["Subject"] is None
    assert str(shown(hall)["Received"]).endswith("+0000")


@SIZES
def test_a_message_that_begins_with_an_empty_line_brings_its_own(
    hall: Hall, size: int | None
) -> None:
    say(hall, ENVELOPE + b"\r\nhello\r\n.\r\n", size=size)
    assert hall.body() == b"\r\nhello\r\n"
    assert hall.writer.writes[0].head.endswith(b"+0000\r\n")
    assert text_of(shown(hall)) == b"hello\r\n"


@SIZES
@pytest.mark.parametrize("text", [FIELDS, FIELDS + b"\r\n", FIELDS + b"hello\r\n", b"X : y\r\n"])
def test_what_brings_a_field_has_it_next_to_ours(hall: Hall, text: bytes, size: int | None) -> None:
    say(hall, ENVELOPE + text + b".\r\n", size=size)
    (write,) = hall.writer.writes
    assert write.head.endswith(b"+0000\r\n")
    assert write.facts.header_octets > 0
    assert hall.body() == text


@SIZES
@pytest.mark.parametrize("mark", [b"", b">", b">>"])
def test_at_mx_a_mailbox_files_line_becomes_a_field_and_no_octet_changes(
    hall: Hall, mark: bytes, size: int | None
) -> None:
    text = mark + SEPARATOR + FIELDS + b"\r\nhello\r\n"
    say(hall, ENVELOPE + text + b".\r\n", size=size)
    assert hall.body() == text
    message = shown(hall)
    assert message["X-Mailbox-Line"] == (mark + SEPARATOR).decode().strip()
    assert (message["Subject"], text_of(message)) == ("x", b"hello\r\n")


@SIZES
@pytest.mark.parametrize(
    "separators", [SEPARATOR, b">" + SEPARATOR, b"From x\r\n", SEPARATOR + b">" + SEPARATOR]
)
def test_on_submission_it_is_dropped(hall: Hall, separators: bytes, size: int | None) -> None:
    text = separators + FIELDS + b"\r\nFrom here on\r\n"
    talk = SUBMIT_ENVELOPE + text + b".\r\n"
    assert say(hall, talk, listener=SUBMISSION, size=size)[-1] == "250 2.0.0"
    assert hall.body() == FIELDS + b"\r\nFrom here on\r\n"
    assert shown(hall)["Subject"] == "x"
    assert hall.service.counters.accepted_octets == len(hall.body())


def test_a_script_sends_a_mailbox_file_with_unix_lines(hall: Hall) -> None:
    text = (SEPARATOR + FIELDS).replace(b"\r\n", b"\n") + b"\nhello\n"
    assert say(hall, SUBMIT_ENVELOPE + text + b"\r\n.\r\n", listener=SUBMISSION)[-1] == "250 2.0.0"
    assert hall.body() == FIELDS + b"\r\nhello\r\n\r\n"


def test_a_machine_that_sends_text_only_gets_a_header_around_it(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = Hall(loop, settings=make_settings(relay={"trusted_networks": ("192.0.2.0/29",)}))
    talk = ENVELOPE + b"disk full\n.\r\n.\r\n"
    for listener in (MX, SUBMISSION):
        assert say(hall, talk, listener=listener)[-1] == "250 2.0.0"
        write = hall.writer.writes[-1]
        message = message_from_bytes(write.head + hall.body())
        assert text_of(message) == b"disk full\r\n\r\n"
        assert (message["Message-ID"] is not None) == (listener is SUBMISSION)


@given(st.lists(st.sampled_from([b"From", b" ", b">", b":", b"a", b"\r\n", b"\t", b"\xe9"])))
def test_whatever_more_comes_an_opening_that_is_told_stays_so(words: list[bytes]) -> None:
    octets = b"".join(words)
    told: Opening | None = None
    for end in range(len(octets) + 1):
        if octets[:end].endswith(b"\r"):
            continue
        found = read_opening(octets[:end], is_all=False, most_separators=2)
        assert told is None or found == told
        told = found
    whole = read_opening(octets, is_all=True, most_separators=2)
    assert whole is not None
    assert told is None or whole == told
    assert read_opening(octets + b"x" * MAX_OPENING_OCTETS + b"x", is_all=False, most_separators=2)
