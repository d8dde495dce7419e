"""What is noticed of a message that we wrote ourselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.message import facts_of, longest_line_octets

_line = st.from_regex(rb"[.a-z\xff\x00]{0,12}", fullmatch=True)


@given(head=st.lists(st.just(b"A: b"), min_size=1, max_size=3), body=st.lists(_line, max_size=6))
def test_whatever_the_lines_the_facts_are_those_of_the_octets(
    head: list[bytes], body: list[bytes]
) -> None:
    octets = b"".join(line + b"\r\n" for line in [*head, b"", *body])
    facts = facts_of(octets)
    assert facts.header_octets == len(head) * 6 + 2
    assert facts.longest_line_octets == 0  # none is over 998
    assert facts.dotted_line_count == sum(line[:1] == b"." for line in body)
    assert facts.is_8bit is (b"\xff" in octets)
    assert facts.has_nul is (b"\0" in octets)
    assert facts.ends_with_crlf


@pytest.mark.parametrize(("lengths", "told"), [((), 0), ((998, 5), 0), ((999, 1200, 5), 1200)])
def test_only_lines_over_998_octets_are_measured(lengths: tuple[int, ...], told: int) -> None:
    lines = [b"x" * length for length in lengths]
    assert longest_line_octets(lines) == told
    assert facts_of(b"A: b\r\n\r\n" + b"\r\n".join([*lines, b""])).longest_line_octets == told
