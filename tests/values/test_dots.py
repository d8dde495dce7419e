"""Dot-stuffing: what goes out comes in again, octet for octet, wherever chunks end."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.dots import Stuffer

LINES = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".\xe9", b"a.", b"\r", b"x" * 70]))
TEXTS = LINES.map(b"\r\n".join)


@given(text=TEXTS, cuts=st.lists(st.integers(0, 1000), max_size=30))
def test_a_chunk_may_end_anywhere(text: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    stuffer = Stuffer()
    fed = [stuffer.feed(text[begin:end]) for begin, end in pairwise(places)]
    assert b"".join(fed) == Stuffer().feed(text)


@given(text=TEXTS)
def test_a_reader_gets_back_every_octet_and_no_line_is_a_lone_dot(text: bytes) -> None:
    sent = Stuffer().feed(text).split(b"\r\n")
    assert b"." not in sent
    assert b"\r\n".join(re.sub(rb"\A\.", b"", line) for line in sent) == text


def test_pop3_dot_at_chunk_edge() -> None:
    stuffer = Stuffer()
    fed = [stuffer.feed(piece) for piece in (b"a\r", b"\n", b".\r\n", b".", b".\r\n.")]
    assert fed == [b"a\r", b"\n", b"..\r\n", b"..", b".\r\n.."]


def test_a_dot_in_the_first_octet_is_stuffed() -> None:
    assert Stuffer().feed(b".") == b".."
