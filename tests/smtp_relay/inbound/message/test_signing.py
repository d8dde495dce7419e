"""What leaves in our name is signed, once per message; what stays is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smtp_relay.inbound.service import Listener
from tests.dkim.verifier import make_signer, verdicts, zone_of
from tests.smtp_relay.inbound.fakes import DOMAIN, MX, SUBMISSION, Hall, make_settings
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, RCPT, SIZES, say

SIGNED_IN = HELLO + AUTH + b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
ELSEWHERE = b"RCPT TO:<x@elsewhere.org>\r\n"
MESSAGE = b"From: marie@ac-exemple.fr\r\nSubject: x\r\n\r\n..dot \r\nhello  you\r\n \r\n\r\n.\r\n"
SIGNER = make_signer(DOMAIN)


def hall_that_signs(loop: asyncio.AbstractEventLoop, **settings: Any) -> Hall:
    hall = Hall(loop, settings=make_settings(**settings))
    hall.service.signer = SIGNER
    return hall


def message_of(hall: Hall) -> bytes:
    (write,) = hall.writer.writes
    return write.head + hall.body()


def is_signed(hall: Hall) -> bool:
    """Both signatures are good, and stand in front of all else."""
    message = message_of(hall)
    if b"DKIM-Signature" not in message:
        return False
    assert message.startswith(b"DKIM-Signature: ")
    assert verdicts(message, zone_of(SIGNER)) == [True, True]
    return True


@SIZES
def test_the_signature_is_over_the_text_with_its_line_ends_mended(
    loop: asyncio.AbstractEventLoop, size: int | None
) -> None:
    hall = hall_that_signs(loop)
    text = b"From: marie@ac-exemple.fr\nSubject: x\n\n..dot\n\none \r\n.two\n.\n\r\n.\r\n"
    talk = SIGNED_IN + ELSEWHERE + DATA + text
    assert say(hall, talk, listener=SUBMISSION, size=size)[-1] == "250 2.0.0"
    assert is_signed(hall)


@SIZES
def test_what_a_person_sends_elsewhere_is_signed(
    loop: asyncio.AbstractEventLoop, size: int | None
) -> None:
    hall = hall_that_signs(loop)
    talk = SIGNED_IN + RCPT + ELSEWHERE + DATA + MESSAGE
    assert say(hall, talk, listener=SUBMISSION, size=size)[-1] == "250 2.0.0"
    assert is_signed(hall)


def test_the_fields_that_we_add_are_signed_too(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_that_signs(loop)
    say(hall, SIGNED_IN + ELSEWHERE + DATA + MESSAGE, listener=SUBMISSION)
    assert is_signed(hall)
    message = message_of(hall)
    for name in (b"Date: ", b"Message-ID: <"):
        assert name in message
        changed = message.replace(name, name + b"1", 1)
        assert verdicts(changed, zone_of(SIGNER)) == [False, False]


def test_a_large_body_is_signed_on_its_way_to_the_disk(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_that_signs(loop)
    large = MESSAGE.replace(b"hello", b"hello \t you all\r\n\r\n" * 30_000)
    say(hall, SIGNED_IN + ELSEWHERE + DATA + large, listener=SUBMISSION, size=65_536)
    assert hall.store.files
    assert is_signed(hall)


def test_mail_between_our_people_is_not_signed(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_that_signs(loop)
    say(hall, SIGNED_IN + RCPT + DATA + MESSAGE, listener=SUBMISSION)
    assert not is_signed(hall)


@pytest.mark.parametrize("listener", [MX, SUBMISSION], ids=lambda one: one.name)
def test_a_trusted_network_has_its_mail_signed(
    loop: asyncio.AbstractEventLoop, listener: Listener
) -> None:
    hall = hall_that_signs(loop, relay={"trusted_networks": ["192.0.2.0/29"]})
    say(hall, HELLO + MAIL + ELSEWHERE + DATA + MESSAGE, listener=listener)
    assert is_signed(hall)


def test_what_a_stranger_brings_for_a_host_of_ours_is_not_signed(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"name": "old", "recipient_domains": [DOMAIN], "via": "smarthost", "host": "h.test"}
    hall = hall_that_signs(loop, routes=[rule])
    talk = HELLO + MAIL + b"RCPT TO:<moved@ac-exemple.fr>\r\n" + DATA + MESSAGE
    assert say(hall, talk)[-1] == "250 2.0.0"
    assert not is_signed(hall)


def test_without_keys_mail_leaves_unsigned(hall: Hall) -> None:
    talk = SIGNED_IN + ELSEWHERE + DATA + MESSAGE
    assert say(hall, talk, listener=SUBMISSION)[-1] == "250 2.0.0"
    assert not is_signed(hall)


def test_a_message_without_an_empty_line_is_signed(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_that_signs(loop)
    only_header = b"From: marie@ac-exemple.fr\r\nSubject: x\r\n.\r\n"
    say(hall, SIGNED_IN + ELSEWHERE + DATA + only_header, listener=SUBMISSION)
    assert is_signed(hall)
