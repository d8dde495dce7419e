"""Refusals in a row end a session; what is useful forgives them."""

from __future__ import annotations

import pytest

from mailserver.auth.gate import Throttled
from tests.pop3_store.fakes import FakeGate, Shell, store_of

SIGN_IN = b"USER frot\r\nPASS 13E0245678ABC\r\n"
MOST = 2000


def shell(gate: FakeGate | None = None) -> Shell:
    return Shell(store_of(b"a\r\n", b"b\r\n"), gate=gate)


def answers_until_the_end(line: bytes, *, before: bytes = b"") -> int:
    one = shell()
    one.feed(before)
    for count in range(MOST):
        if one.is_closed:
            return count
        one.feed(line)
    raise AssertionError("it never ends")


@pytest.mark.parametrize(
    ("line", "most"),
    [
        (b"XYZZY\r\n", 20),
        (b"\r\n", 20),
        (b"STAT\r\n", 20),
        (b"NOOP\r\n", 20),
        (b"USER\r\n", 20),
        (b"PASS x\r\n", 20),
        (b"STLS\r\n", 20),
        (b"AUTH PLAIN\r\n", 20),
        (b"APOP frot c4c9334bac560ecc979e58001b3e22fb\r\n", 20),
        (b"CAPA\n", 100),
        (b"x" * 3000 + b"\r\n", 20),
        (b"CAPA\r\n", 100),
        (b"USER frot\r\n", 100),
    ],
)
def test_before_sign_in_whatever_leads_nowhere_has_an_end(line: bytes, most: int) -> None:
    assert answers_until_the_end(line) <= most


@pytest.mark.parametrize(
    ("line", "most"),
    [
        (b"XYZZY\r\n", 20),
        (b"\r\n", 20),
        (b"USER frot\r\n", 20),
        (b"RETR x\r\n", 20),
        (b"TOP 1 x\r\n", 20),
        (b"RETR 9\r\n", 100),
        (b"CAPA\r\n", 1000),
    ],
)
def test_after_sign_in_too(line: bytes, most: int) -> None:
    assert answers_until_the_end(line, before=SIGN_IN) <= most


def test_who_collects_may_err_again_and_again() -> None:
    one = shell()
    one.feed(SIGN_IN)
    for _ in range(50):
        one.feed(b"XYZZY\r\n" * 15 + b"RETR 1\r\n")
    assert not one.is_closed


def test_the_end_says_why_and_deletes_nothing() -> None:
    one = shell()
    one.feed(SIGN_IN + b"DELE 1\r\n" + b"XYZZY\r\n" * 20 + b"QUIT\r\n")
    assert one.is_closed
    assert one.said.endswith(b"-ERR Too many errors, closing the connection\r\n")
    assert one.committer.written == []


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER frot\r\nPASS 13E0245678ABC\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS / HTTP/1.0\r\n",
        b"SSH-2.0-x\r\n",
        b"GET / HTTP/1.1\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "octet by octet"])
def test_another_protocol_ends_the_session_at_once(octets: bytes, *, is_whole: bool) -> None:
    one = shell()
    one.said = b""
    one.feed(*([octets] if is_whole else [bytes([octet]) for octet in octets]))
    assert one.said == b"-ERR This port speaks POP3 and nothing else, closing the connection\r\n"
    assert one.is_closed


def test_a_sign_in_that_must_wait_has_words_of_its_own_and_counts() -> None:
    one = shell(FakeGate(fixed=Throttled()))
    one.said = b""
    one.feed(SIGN_IN * 3)
    assert one.said.count(b"-ERR [SYS/TEMP] Too many passwords were tried, keep yours") == 3
    assert one.is_closed
