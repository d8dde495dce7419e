"""Headers, trace, SASL, idleness, replies, eager coroutines: facts in, decisions out."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Coroutine
from email.utils import parsedate_to_datetime
from typing import Any

import aiosmtpd.smtp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.fields import BadAddressList, find_fields, parse_authors
from smtp_relay.inbound.connection.eager import FINISHED, begin, proceed
from smtp_relay.inbound.grammar.sasl import BadResponse, Cancelled, decode_response, parse_plain
from smtp_relay.inbound.message.trace import (
    Arrival,
    DateText,
    address_literal,
    protocol_word,
    trace_beginning,
    trace_end,
)

KNOWN_BASE_CLASS = "989628e6e5b740fef3ecc184e71294aee0a4218cc992ca2ad91d4397a20f254f"


def test_the_base_class_is_the_one_we_have_read() -> None:
    """SmtpDoor skips its constructor and overrides its events: an upgrade wants reading first."""
    source = inspect.getsource(aiosmtpd.smtp).encode()
    assert hashlib.sha256(source).hexdigest() == KNOWN_BASE_CLASS


# --- headers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b" marie@b.fr", ["marie@b.fr"]),
        (b' "Dupont, Marie" <marie@b.fr>', ["marie@b.fr"]),
        (b" =?utf-8?q?Fr=C3=A9d=C3=A9ric?= <f@b.fr>, x@y.fr", ["f@b.fr", "x@y.fr"]),
        (b" Team: a@b.fr, B <b@b.fr>;", ["a@b.fr", "b@b.fr"]),
        (b" (a (nested) comment) a@b.fr (Marie)", ["a@b.fr"]),
        (b" Marie (x <evil@y.fr>) <marie@b.fr>", ["marie@b.fr"]),
        (b' "a b"@c.fr', ['"a b"@c.fr']),
        ("Élodie <élodie@b.fr>".encode(), ["élodie@b.fr"]),
        (b' "quoted \\" <evil@y.fr>" <marie@b.fr>', ["marie@b.fr"]),
        (b" <@r:marie@b.fr>", ["marie@b.fr"]),
    ],
)
def test_authors_are_found(value: bytes, addresses: list[str]) -> None:
    assert [str(author) for author in parse_authors(value)] == addresses


@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"Marie", b"<>", b"a@b, <>", b"(a@b", b'"a@b', b"a)@b", b"<a@b> <c@d>", b"a@b c@d",
     b"\xff@b", b"a@b SIZE=1", b"<a@b", b"Undisclosed:;", b",".join([b"a@b.fr"] * 200)],
)  # fmt: skip
def test_what_is_no_list_of_authors_is_refused(value: bytes) -> None:
    with pytest.raises(BadAddressList):
        parse_authors(value)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b" boss@b.fr <me@b.fr>", ["boss@b.fr", "me@b.fr"]),
        (b" <me@b.fr> boss@b.fr", ["boss@b.fr", "me@b.fr"]),
        (b" The boss boss@b.fr <me@b.fr>", ["boss@b.fr", "me@b.fr"]),
        (b' "boss@b.fr" (boss@b.fr) <me@b.fr>', ["me@b.fr"]),
        (b" Me @ home <me@b.fr>", ["me@b.fr"]),
    ],
)
def test_an_unquoted_address_beside_the_angle_brackets_is_an_author_too(
    value: bytes, addresses: list[str]
) -> None:
    assert [str(author) for author in parse_authors(value)] == addresses


@given(st.binary(max_size=200))
def test_any_octets_are_authors_or_refused(value: bytes) -> None:
    try:
        assert parse_authors(value)
    except BadAddressList:
        return


@given(st.binary(max_size=300))
def test_any_octets_have_fields(block: bytes) -> None:
    find_fields(block)


def test_deep_comments_do_not_recurse() -> None:
    assert parse_authors(b"(" * 5000 + b")" * 5000 + b" a@b.fr")
    with pytest.raises(BadAddressList):
        parse_authors(b"(" * 5000)


def test_folded_fields_are_joined_and_the_body_is_not_read() -> None:
    fields = find_fields(b"From: Marie\r\n\t<a@b.fr>\r\nDate : x\r\n\r\nSender: c@d.fr\r\n")
    assert fields.authors == (b" Marie\t<a@b.fr>",)
    assert fields.senders == ()
    assert fields.has_date
    assert not fields.has_message_id


# --- trace ----------------------------------------------------------------------------


def arrival(**changes: Any) -> Arrival:
    facts: dict[str, Any] = {
        "hello": "client.example",
        "peer": "192.0.2.7",
        "hostname": "mail.ac-exemple.fr",
        "is_extended": True,
        "is_signed_in": False,
        "tls": "",
    }
    return Arrival(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "smtputf8", "word"),
    [
        ({"is_extended": False}, False, "SMTP"),
        ({}, False, "ESMTP"),
        ({"tls": "TLSv1.3"}, False, "ESMTPS"),
        ({"is_signed_in": True}, False, "ESMTPA"),
        ({"is_signed_in": True, "tls": "TLSv1.3"}, False, "ESMTPSA"),
        ({"is_signed_in": True, "tls": "TLSv1.3"}, True, "UTF8SMTPSA"),
        ({}, True, "UTF8SMTP"),
    ],
)
def test_the_protocol_word(changes: dict[str, Any], smtputf8: bool, word: str) -> None:
    assert protocol_word(arrival(**changes), smtputf8=smtputf8) == word


@pytest.mark.parametrize(
    "hello", ["a b", "(comment", "x\r\nInjected: yes", "é", "my_pc", "\udce9", "a" * 500, "[bad"]
)
def test_a_hello_that_is_no_domain_cannot_spoil_the_trace_header(hello: str) -> None:
    line = trace_beginning(arrival(hello=hello), smtputf8=False)
    assert line.startswith(b"Received: from [192.0.2.7] (hello ")
    assert line.count(b"\r\n") == 1
    assert line.count(b"(") == line.count(b")") == 1
    assert max(map(len, line.split(b"\r\n"))) < 200


def test_the_trace_header_says_tls_recipient_and_date() -> None:
    end = trace_end(arrival(tls="TLSv1.3 with cipher X (256 bits)"), recipient="a@b", date="D")
    assert end == b"\r\n\t(using TLSv1.3 with cipher X (256 bits))\r\n\tfor <a@b>; D\r\n"


def test_address_literals() -> None:
    assert address_literal("192.0.2.7") == "[192.0.2.7]"
    assert address_literal("fe80::1%eth0") == "[IPv6:fe80::1]"


def test_the_date_is_the_second_it_was_asked_for() -> None:
    dates = DateText()
    for now_s in (0.0, 1_795_000_000.9, 1_795_000_001.0, 5.0):
        assert parsedate_to_datetime(dates.at(now_s)).timestamp() == int(now_s)
    assert dates.at(0.0) == "Thu, 01 Jan 1970 00:00:00 +0000"


# --- SASL ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["!", "AAA", "A A=", "AAAA\n", "é", "====", "=x"])
def test_strict_base64(text: str) -> None:
    with pytest.raises(BadResponse):
        decode_response(text)


def test_the_empty_response_and_the_cancellation() -> None:
    assert decode_response("=") == b""
    assert decode_response("") == b""
    with pytest.raises(Cancelled):
        decode_response("*")


def test_plain_names_who_signs_in_and_for_whom() -> None:
    assert parse_plain(b"marie\0marie\0x").user_name == b"marie"
    assert parse_plain(b"other\0marie\0x").user_name == b"marie*other"
    given_password = parse_plain(b"\0marie\0pass word")
    assert given_password.user_name == b"marie"
    assert given_password.password.reveal() == b"pass word"
    assert "pass word" not in repr(given_password)


@given(st.binary(max_size=60))
def test_any_octets_are_a_plain_message_or_refused(message: bytes) -> None:
    try:
        parse_plain(message)
    except BadResponse:
        assert message.count(b"\0") != 2 or b"\0\0" in message


# --- replies ----------------------------------------------------------------------------


def test_every_reply_is_one_ascii_line_in_both_languages() -> None:
    assert len(replies.PHRASES) > 40
    for phrase in replies.PHRASES:
        for octets in phrase.octets.values():
            assert octets.endswith(b"\r\n")
            assert octets.count(b"\n") == 1
            assert b"?" not in octets, octets
            assert len(octets) <= 512
        assert not phrase.enhanced or phrase.enhanced[0] == str(phrase.code)[0]


# --- eager -------------------------------------------------------------------------------


def test_a_coroutine_that_never_waits_needs_no_task() -> None:
    async def act() -> None:
        return

    assert begin(act()) is FINISHED


def test_a_coroutine_that_waits_goes_on_in_a_task(loop: asyncio.AbstractEventLoop) -> None:
    first, second = loop.create_future(), loop.create_future()
    heard: list[int] = []

    async def act() -> None:
        heard.append(await first)
        try:
            await second
        except ValueError:
            heard.append(2)
        await asyncio.sleep(0)
        heard.append(3)

    coroutine: Coroutine[Any, Any, None] = act()
    awaited = begin(coroutine)
    assert awaited is first

    async def finish() -> None:
        await proceed(coroutine, awaited)

    task = loop.create_task(finish())
    loop.call_soon(first.set_result, 1)
    loop.call_soon(second.set_exception, ValueError())
    loop.run_until_complete(task)
    assert heard == [1, 2, 3]


def test_a_cancelled_task_cancels_its_coroutine(loop: asyncio.AbstractEventLoop) -> None:
    ended: list[str] = []

    async def act() -> None:
        try:
            await loop.create_future()
        finally:
            ended.append("ended")

    coroutine = act()
    awaited = begin(coroutine)

    async def finish() -> None:
        await proceed(coroutine, awaited)

    task = loop.create_task(finish())
    loop.call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert ended == ["ended"]
