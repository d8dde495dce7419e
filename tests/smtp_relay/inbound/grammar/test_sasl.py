"""Responses of SASL, octet by octet, before anybody is asked whose they are."""

from __future__ import annotations

import base64

import pytest

from smtp_relay.inbound.grammar.paths import MAX_DOMAIN_OCTETS, is_domain
from smtp_relay.inbound.grammar.sasl import BadResponse, Cancelled, decode_response, parse_plain


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("=", b""),  # RFC 4954 §4: the empty one
        ("", b""),
        ("AGEAYg==", b"\0a\0b"),
        (base64.b64encode(b"\xff \xe9").decode(), b"\xff \xe9"),
    ],
)
def test_a_response_is_strict_base64(text: str, octets: bytes) -> None:
    assert decode_response(text) == octets


@pytest.mark.parametrize("text", ["==", "A", "AGEAYg", "AGEA Yg==", "AGEAYg==x", "é", "-_==", "**"])
def test_what_is_no_base64_is_bad(text: str) -> None:
    with pytest.raises(BadResponse):
        decode_response(text)


def test_a_star_gives_up() -> None:
    with pytest.raises(Cancelled):
        decode_response("*")


@pytest.mark.parametrize(
    ("message", "user_name", "password"),
    [
        (b"\0frot\0secret", b"frot", b"secret"),
        (b"\0frot\0", b"frot", b""),
        (b"\0frot\0 se\xe9cret ", b"frot", b" se\xe9cret "),
        (b"frot\0frot\0secret", b"frot", b"secret"),
    ],
)
def test_a_plain_message_has_two_nuls_and_a_name(
    message: bytes, user_name: bytes, password: bytes
) -> None:
    found = parse_plain(message)
    assert (found.user_name, found.password.reveal()) == (user_name, password)


@pytest.mark.parametrize(
    "message", [b"", b"frot", b"frot\0secret", b"\0\0secret", b"a\0\0secret", b"\0a\0b\0c", b"\0\0"]
)
def test_anything_else_is_bad(message: bytes) -> None:
    with pytest.raises(BadResponse):
        parse_plain(message)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("mail.b.example", True),
        ("b", True),
        ("a" * MAX_DOMAIN_OCTETS, True),
        ("a" * (MAX_DOMAIN_OCTETS + 1), False),
        ("", False),
        ("-b.example", False),
        ("b.example.", False),
        ("[192.0.2.1]", False),
        ("b\r\nexample", False),
        ("é.example", False),
    ],
)
def test_what_a_trace_header_may_show_as_a_domain(text: str, *, is_one: bool) -> None:
    assert is_domain(text) == is_one
