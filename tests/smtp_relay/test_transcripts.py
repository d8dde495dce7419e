"""Conversations, fed whole and octet by octet: the same replies, the same messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from mailserver.values.message import InlineBody
from tests.smtp_relay.fakes import DOMAIN, Hall, Stage

SIZES = pytest.mark.parametrize("size", [None, 1, 7], ids=["whole", "octet by octet", "by seven"])


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def hall(loop: asyncio.AbstractEventLoop) -> Hall:
    return Hall(loop)


def codes(heard: bytes) -> list[int]:
    """The code of each reply; the lines of one EHLO count once."""
    lines = heard.decode("ascii").split("\r\n")
    assert lines.pop() == ""
    return [int(line[:3]) for line in lines if line[3:4] == " "]


ONE_MESSAGE = (
    b"EHLO client.example\r\n"
    b"MAIL FROM:<a@example.org>\r\n"
    b"RCPT TO:<marie@ac-exemple.fr>\r\n"
    b"DATA\r\n"
    b"Subject: hello\r\n\r\nBonjour\r\n..dot\r\n.\r\n"
    b"QUIT\r\n"
)


@SIZES
def test_a_message_is_stored_as_it_came_and_answered_with_its_id(
    hall: Hall, size: int | None
) -> None:
    stage = Stage(hall)
    assert codes(stage.heard()) == [220]
    heard = stage.send(ONE_MESSAGE, size=size)
    assert codes(heard) == [250, 250, 250, 354, 250, 221]
    assert stage.is_closed
    (write,) = hall.writer.writes
    assert isinstance(write.body, InlineBody)
    assert write.body.octets == b"Subject: hello\r\n\r\nBonjour\r\n.dot\r\n"
    assert write.return_path == b"Return-Path: <a@example.org>\r\n"
    assert [copy.recipient for copy in write.copies] == [f"marie@{DOMAIN}"]
    assert write.facts.header_octets == 18
    assert write.facts.dotted_line_count == 1
    assert write.door == "mx"
    assert write.head.startswith(b"Received: from client.example ([192.0.2.7])\r\n\tby mail.")
    assert b"with ESMTP id " in write.head
    assert b"for <marie@ac-exemple.fr>;" in write.head
