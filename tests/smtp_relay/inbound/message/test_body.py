"""What the reader of data promises where nothing else is asked of it, and at its bounds."""

from __future__ import annotations

import pytest

from smtp_relay.inbound.message.body import (
    LONG_LINE_OCTETS,
    MAX_DROPPED_SEPARATORS,
    DataReader,
)

MIB = 1024 * 1024
HEAD = b"A: b\r\n\r\n"


def read(octets: bytes, *, max_octets: int = MIB) -> tuple[DataReader, bytes]:
    reader = DataReader(max_octets=max_octets, max_header_octets=MIB, keep_header=True)
    return reader, reader.feed(octets)


def test_a_reader_that_is_asked_for_nothing_mends_nothing_and_drops_nothing() -> None:
    """So reads a stranger's message who forgot to say how."""
    reader, stored = read(b"From x\r\nA: b\r\n\r\nc\nd\r\n.\r\n")
    assert stored == b"From x\r\nA: b\r\n\r\nc\nd\r\n"
    assert reader.has_bare_cr_or_lf
    assert reader.begins_with_separator


def test_nothing_is_said_of_a_message_before_it_was_read() -> None:
    reader, stored = read(b"")
    assert stored == b""
    assert (reader.has_nul, reader.has_header, reader.has_bare_cr_or_lf) == (False, False, False)
    assert (reader.is_unvouched, reader.is_too_large, reader.is_endless) == (False, False, False)
    assert (reader.begins_with_separator, reader.size_octets, reader.rest) == (False, 0, None)
    assert not reader.facts.is_unvouched


def test_a_text_that_brings_no_header_has_none() -> None:
    reader, stored = read(b"bonjour\r\nA: b\r\n.\r\n")
    assert not reader.has_header
    assert stored == b"bonjour\r\nA: b\r\n"
    assert reader.facts.header_octets == 0


@pytest.mark.parametrize(
    ("octets", "facts"),
    [
        (HEAD + b"c\r\n", (False, False, 0, 0)),
        (HEAD + b"\xe9\r\n", (True, False, 0, 0)),
        (HEAD + b"\0\r\n", (False, True, 0, 0)),
        (HEAD + b"..c\r\n", (False, False, 0, 1)),
        (HEAD + b"...\r\n..\r\nx..\r\n", (False, False, 0, 2)),
        (HEAD + b"x" * LONG_LINE_OCTETS + b"\r\n", (False, False, 0, 0)),
        (HEAD + b"x" * (LONG_LINE_OCTETS + 1) + b"\r\n", (False, False, 999, 0)),
        (HEAD + b"x" * 5000 + b"\r\n" + b"y" * 1200 + b"\r\n", (False, False, 5000, 0)),
    ],
)
def test_what_later_decisions_need_is_told(
    octets: bytes, facts: tuple[bool, bool, int, int]
) -> None:
    for size in (1, 7, len(octets) + 3):
        reader = DataReader(max_octets=MIB, max_header_octets=MIB, keep_header=True)
        wire = octets + b".\r\n"
        for start in range(0, len(wire), size):
            reader.feed(wire[start : start + size])
        found = reader.facts
        assert (
            found.is_8bit,
            found.has_nul,
            found.longest_line_octets,
            found.dotted_line_count,
        ) == facts
        assert found.ends_with_crlf
        assert found.header_octets == len(HEAD)


def test_a_line_of_998_octets_is_not_long() -> None:
    assert LONG_LINE_OCTETS == 998  # RFC 5322 §2.1.1


@pytest.mark.parametrize("count", [0, 1, MAX_DROPPED_SEPARATORS, MAX_DROPPED_SEPARATORS + 1])
def test_so_many_lines_of_a_mailbox_file_are_dropped_and_no_more(count: int) -> None:
    separators = b"From x\r\n" * count
    reader = DataReader(
        max_octets=MIB, max_header_octets=MIB, keep_header=True, drops_separators=True
    )
    stored = reader.feed(separators + HEAD + b".\r\n")
    is_dropped = count <= MAX_DROPPED_SEPARATORS
    assert stored == (HEAD if is_dropped else separators + HEAD)
    assert reader.has_header == is_dropped


@pytest.mark.parametrize(("more", "is_too_large"), [(0, False), (1, True)])
def test_a_message_may_have_as_many_octets_as_are_allowed(more: int, *, is_too_large: bool) -> None:
    text = HEAD + b"x" * 100 + b"\r\n"
    reader, stored = read(text + b".\r\n", max_octets=len(text) - more)
    assert reader.is_too_large == is_too_large
    assert stored == (b"" if is_too_large else text)


def test_a_header_may_have_as_many_octets_as_are_allowed_and_with_more_nothing_is_stored() -> None:
    for more in (0, 1):
        reader = DataReader(max_octets=MIB, max_header_octets=len(HEAD) - more, keep_header=True)
        stored = reader.feed(HEAD + b"c\r\n.\r\n")
        assert reader.header.is_too_large == bool(more)
        assert stored == (b"" if more else HEAD + b"c\r\n")


def test_one_that_never_ends_is_read_to_twice_the_limit_and_a_little() -> None:
    reader, _ = read(HEAD, max_octets=MIB)
    most = 3 * MIB - len(HEAD)
    for size in (most, 1):
        assert not reader.is_endless
        reader.feed(b"x" * size)
    assert reader.is_endless


def test_what_follows_the_end_is_left_and_what_is_held_back_is_not_lost() -> None:
    reader, stored = read(HEAD + b"c\r\n.\r\nQUIT\r\n")
    assert (stored, reader.rest) == (HEAD + b"c\r\n", b"QUIT\r\n")
    reader, stored = read(HEAD + b"c\r\n.")
    assert reader.rest is None
    assert stored + reader.feed(b".x\r\n.\r\n") == HEAD + b"c\r\n.x\r\n"


@pytest.mark.parametrize(
    ("octets", "is_bare"),
    [(b"c\r\nd", False), (b"c\rd", True), (b"c\nd", True), (b"c\r\r\nd", True), (b"\n", True)],
)
def test_a_cr_or_lf_alone_is_told(octets: bytes, *, is_bare: bool) -> None:
    reader, _ = read(HEAD + octets + b"\r\n.\r\n")
    assert reader.has_bare_cr_or_lf == is_bare
