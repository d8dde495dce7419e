"""Dot-stuffing: what goes out comes in again, octet for octet, wherever chunks end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.delivery.client.mail_object import (
    CHUNK_OCTETS,
    ContentLost,
    ending,
    raw_chunks,
    small_content,
    stuffed_chunks,
)
from smtp_relay.inbound.message.body import DataReader
from tests.smtp_relay.delivery.client.letters import HEAD, make_message
from tests.store.opened import reader_of

LINES = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".\xe9", b"x" * 70]), max_size=12)


def take(wire: bytes) -> bytes:
    """What the inbound reader makes of it."""
    reader = DataReader(max_octets=10**7, max_header_octets=10**6, keep_header=False)
    taken = reader.feed(wire)
    assert reader.rest == b""
    return bytes(taken)


@given(lines=LINES, ends=st.booleans(), head=st.sampled_from([HEAD, b"", b".dotted: head\r\n"]))
def test_what_goes_out_comes_in_again(lines: list[bytes], head: bytes, *, ends: bool) -> None:
    body = b"\r\n".join(lines) + (b"\r\n" if ends else b"")
    message = make_message(body, head=head)
    content = small_content(message)
    assert content is not None
    assert b"".join(stuffed_chunks(message)) == content
    whole = head + body
    closed = whole if whole.endswith(b"\r\n") or not body else whole + b"\r\n"
    if whole:
        assert take(content + ending(message)) == closed


@pytest.mark.parametrize("shift", range(-4, 3))
def test_a_dot_at_the_edge_of_a_chunk_of_a_file(tmp_path: Path, shift: int) -> None:
    body = b"x" * (CHUNK_OCTETS + shift - 2) + b"\r\n.\r\nend\r\n"
    path = tmp_path / "body"
    path.write_bytes(body)
    fd = os.open(path, os.O_RDONLY)
    message = make_message(body, octets=None, reader=reader_of(fd))
    try:
        wire = b"".join(stuffed_chunks(message)) + ending(message)
        assert take(wire) == HEAD + body
        assert max(map(len, raw_chunks(message))) == CHUNK_OCTETS
    finally:
        message.close()


def test_an_empty_body_needs_no_line_end() -> None:
    message = make_message(b"", ends_with_crlf=False)
    assert (small_content(message), ending(message)) == (HEAD, b".\r\n")


def test_a_body_that_is_not_there_is_our_fault(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"short")
    fd = os.open(path, os.O_RDONLY)
    message = make_message(b"", octets=None, reader=reader_of(fd, 10), body_octets=10)
    with pytest.raises(ContentLost, match="after 5 of 10 octets"):
        list(raw_chunks(message))
    message.close()
    with pytest.raises(ContentLost, match="closed before"):
        list(raw_chunks(message))
    message.reader = reader_of(os.dup(0), 10)
    message.reader.close()
    with pytest.raises(ContentLost, match="closed before"):
        list(raw_chunks(message))
