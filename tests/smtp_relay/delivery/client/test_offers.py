"""What EHLO says, in every spelling that servers use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.delivery.client.offers import NO_OFFERS, parse_offers
from smtp_relay.delivery.client.replies import Reply


def test_every_keyword_is_read_without_case() -> None:
    lines = b"peer.test,pipelining,SIZE 100,8bitmime,SmtpUtf8,DSN,CHUNKING,STARTTLS".split(b",")
    offers = parse_offers(Reply(250, (*lines, b"AUTH plain LOGIN", b"LIMITS RCPTMAX=5 MAILMAX=2")))
    assert offers.pipelining
    assert offers.eight_bit
    assert offers.utf8
    assert offers.dsn
    assert offers.chunking
    assert offers.starttls
    assert offers.size
    assert (offers.max_octets, offers.max_recipients, offers.max_messages) == (100, 5, 2)
    assert offers.mechanisms == {"PLAIN", "LOGIN"}


@pytest.mark.parametrize(
    "line", [b"SIZE", b"SIZE 0", b"SIZE many", b"SIZE -1", b"SIZE " + b"9" * 99]
)
def test_a_size_that_limits_nothing(line: bytes) -> None:
    offers = parse_offers(Reply(250, (b"peer.test", line)))
    assert offers.size
    assert offers.max_octets is None


def test_the_old_spelling_of_auth_counts() -> None:
    assert parse_offers(Reply(250, (b"peer.test", b"AUTH=LOGIN"))).mechanisms == {"LOGIN"}


def test_the_first_line_is_a_name_and_never_a_keyword() -> None:
    assert parse_offers(Reply(250, (b"STARTTLS",))) == NO_OFFERS


@given(lines=st.lists(st.binary(max_size=30), min_size=1, max_size=20))
def test_whatever_ehlo_says_is_read(lines: list[bytes]) -> None:
    parse_offers(Reply(250, tuple(lines)))
