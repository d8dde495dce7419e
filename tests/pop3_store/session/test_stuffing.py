"""Dot-stuffing and TOP, in any split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.ports.mail import StoredMessage
from pop3_store.session.stuffing import Topper, small_reply, top_lines, whole_lines

LEAD = b"Return-Path: <>\r\n"
BODIES = st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"\x00", b"\xe9"])).map(
    b"".join
)


def message(body: bytes) -> StoredMessage:
    return StoredMessage(
        lead=LEAD,
        octets=body,
        reader=None,
        body_octets=len(body),
        dotted_line_count=(b"\r\n" + body).count(b"\r\n."),
        ends_with_crlf=body.endswith(b"\r\n"),
    )


def unstuff(octets: bytes) -> bytes:
    """What a client does, line by line; the terminator must be the only lone dot, at the end."""
    assert octets.endswith(b"\r\n.\r\n")
    lines = octets[:-5].split(b"\r\n")
    assert b"." not in lines
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines) + b"\r\n"


def pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[a:b] for a, b in itertools.pairwise(places)]


@given(body=BODIES)
def test_a_client_gets_back_every_octet(body: bytes) -> None:
    """And a final CRLF where there was none."""
    sent = b"".join(whole_lines(message(body)))
    assert sent == small_reply(message(body))
    expected = LEAD + body
    assert unstuff(sent) == (expected if expected.endswith(b"\r\n") else expected + b"\r\n")


@given(body=BODIES, line_count=st.integers(0, 5), cuts=st.lists(st.integers(0, 1000)))
def test_top_is_the_header_the_blank_line_and_that_many_lines(
    body: bytes, line_count: int, cuts: list[int]
) -> None:
    topper = Topper(line_count)
    whole = LEAD + body
    got = b"".join(map(topper.feed, pieces(whole, cuts)))
    header, blank, rest = whole.partition(b"\r\n\r\n")
    lines = rest.splitlines(keepends=True) if b"\r" not in rest.replace(b"\r\n", b"") else None
    if not blank:
        assert got == whole
    elif lines is not None and all(octet not in rest for octet in (b"\x0b", b"\x0c", b"\x1c")):
        assert got == header + blank + b"".join(lines[:line_count])
    assert whole.startswith(got)


@pytest.mark.parametrize(
    ("body", "line_count", "expected"),
    [
        (b"S: x\r\n\r\none\r\ntwo\r\n", 0, b"S: x\r\n\r\n.\r\n"),
        (b"S: x\r\n\r\none\r\ntwo\r\n", 1, b"S: x\r\n\r\none\r\n.\r\n"),
        (b"S: x\r\n\r\none\r\ntwo\r\n", 2, b"S: x\r\n\r\none\r\ntwo\r\n.\r\n"),
        (b"S: x\r\n\r\none\r\ntwo", 9, b"S: x\r\n\r\none\r\ntwo\r\n.\r\n"),
        (b"S: x\r\n", 9, b"S: x\r\n.\r\n"),
        (b"", 9, b".\r\n"),
        (b"\r\none\r\n", 1, b"\r\none\r\n.\r\n"),
    ],
)
def test_top_of_a_message(body: bytes, line_count: int, expected: bytes) -> None:
    assert b"".join(top_lines(message(body), line_count)) == LEAD + expected
