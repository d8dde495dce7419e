"""Of a report that goes on to a stranger: its header, whole lines up to a limit, and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.inbound.message.cutting import MOST_REPORT_OCTETS, Cut
from smtp_relay.inbound.message.header import HeaderBlock

HEAD = b"From: a@b.fr\r\nSubject: x\r\n\r\n"
MOST = 20


def cut(text: bytes, *, sizes: list[int] | None = None, head: bytes = HEAD) -> bytes:
    """What passes of the text, in pieces that never end within a CRLF."""
    header = HeaderBlock(max_octets=10_000, keep=False)
    one, passed, octets, start = Cut(header, MOST), b"", head + text, 0
    for size in [*(sizes or []), len(octets)]:
        end = start + size
        end += octets[end - 1 : end + 1] == b"\r\n"
        piece, start = octets[start:end], end
        if piece:
            passed += one.take(piece if header.is_complete else header.feed(piece))
    assert passed.startswith(head)
    return passed[len(head) :]


ROW = b"x" * 8 + b"\r\n"


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        (b"", b""),
        (ROW, ROW),
        (ROW * 2, ROW * 2),  # exactly so much
        (ROW * 3, ROW * 2),
        (ROW + b"y" * 9 + b"\r\n", ROW),
        (ROW + b"y" * 50, ROW),
        (b"y" * 18 + b"\r\n" + ROW, b"y" * 18 + b"\r\n"),
        (b"y" * 19 + b"\r\n" + ROW, b"y" * 19 + b"\r\n"),  # between CR and LF
        (b"y" * 20 + b"\r\n" + ROW, b"y" * 20 + b"\r\n"),
        (b"y" * 90, b"y" * 20 + b"\r\n"),
        (b"\r\n" * 30, b"\r\n" * 10),
    ],
)
def test_whole_lines_pass_up_to_the_limit(text: bytes, passes: bytes) -> None:
    assert cut(text, sizes=[len(HEAD)]) == passes


def test_a_first_line_that_is_too_long_may_be_left_out() -> None:
    assert cut(b"y" * 90) == b""


@pytest.mark.parametrize("first", [20, 10, 19])
def test_a_line_that_was_open_at_the_limit_ends_there(first: int) -> None:
    assert cut(b"y" * 90, sizes=[len(HEAD) + first, 1, 1]) == b"y" * 20 + b"\r\n"


def test_where_the_limit_is_reached_at_a_lines_end_nothing_is_added() -> None:
    assert cut(ROW * 3, sizes=[len(HEAD) + 20, 5, 5]) == ROW * 2


def test_a_long_header_passes_whole_and_costs_the_text_nothing() -> None:
    head = b"Subject: " + b"x" * 500 + b"\r\n\r\n"
    assert cut(ROW * 3, head=head) == ROW * 2


def test_a_report_has_room_for_what_a_report_needs() -> None:
    assert MOST_REPORT_OCTETS == 32 * 1024


@given(
    words=st.lists(st.sampled_from([b"\r\n", b"x", b"yyy", ROW]), max_size=30),
    sizes=st.lists(st.integers(1, 40), max_size=20),
)
def test_in_any_pieces_it_is_a_beginning_that_ends_with_a_line(
    words: list[bytes], sizes: list[int]
) -> None:
    text = b"".join(words)
    passed = cut(text, sizes=sizes)
    assert len(passed) <= MOST + 2
    if len(text) <= MOST:
        assert passed == text
    else:
        assert passed.endswith(b"\r\n") or not passed
        assert text.startswith(passed.removesuffix(b"\r\n"))
