"""The header block: where it ends, what of it is kept, what goes, what submission reads of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.inbound.authors.fields import (
    MAX_AUTHORS,
    MAX_AUTHORS_OCTETS,
    BadAddressList,
    find_fields,
    parse_authors,
)
from smtp_relay.inbound.message.header import Cleaning, HeaderBlock

SUBMITTED = Cleaning(frozenset({"ac-exemple.fr"}), is_submission=True)
BLOCK = b"From: a@b.fr\r\nBcc: c@d.fr\r\n e@f.fr\r\nTo: g@h.fr\r\n\r\n"
CLEAN = b"From: a@b.fr\r\nTo: g@h.fr\r\n\r\n"


def block_of(
    octets: bytes, *, size: int = 10_000, most: int = 10_000, cleaning: Cleaning | None = SUBMITTED
) -> tuple[HeaderBlock, bytes]:
    """The block, and what stays of the message, fed in pieces of that size (never ending in CR)."""
    block = HeaderBlock(max_octets=most, keep=True, cleaning=cleaning)
    stays, start = b"", 0
    while start < len(octets):
        end = min(start + size, len(octets))
        end += octets[end - 1 : end + 1] == b"\r\n"
        piece = octets[start:end]
        is_last = end == len(octets)
        stays += piece if block.is_complete else block.feed(piece, is_last=is_last)
        start = end
    return block, stays


# What goes out of it


@pytest.mark.parametrize("size", [1, 2, 3, 5, 14, 15, 17, 20, 40, len(BLOCK) - 1, len(BLOCK), 99])
@pytest.mark.parametrize("text", [b"", b"Bcc: this is text\r\n"])
def test_a_blind_field_goes_in_any_pieces_and_text_stays(size: int, text: bytes) -> None:
    block, stays = block_of(BLOCK + text, size=size)
    assert stays == CLEAN + text
    assert block.kept() == CLEAN
    assert block.octets == len(CLEAN)
    assert block.is_complete


@pytest.mark.parametrize("size", [1, 4, 16, 99])
def test_it_goes_where_no_empty_line_ends_the_block(size: int) -> None:
    """All of it is header then, and nothing more comes to end the field."""
    for last in (b"Bcc: c@d.fr\r\n", b"Bcc: c@d.fr\r\n e@f.fr\r\n", b"Bcc: \r\n"):
        _, stays = block_of(b"From: a@b.fr\r\n" + last, size=size)
        assert stays == b"From: a@b.fr\r\n"


@pytest.mark.parametrize("size", [1, 9, 99])
@pytest.mark.parametrize(
    "last", [b"Authentication-Results: mx.d.fr; dkim=pass\r\n", b"Bc", b"Authentication-Results: m"]
)
def test_what_is_held_back_at_the_end_of_all_is_not_lost(last: bytes, size: int) -> None:
    """Without an empty line nothing else says that a field is whole."""
    octets = b"From: a@b.fr\r\n" + last
    assert block_of(octets, size=size)[1] == octets


@pytest.mark.parametrize("size", [1, 7, 99])
def test_without_cleaning_every_octet_stays(size: int) -> None:
    assert block_of(BLOCK, size=size, cleaning=None)[1] == BLOCK


@given(
    words=st.lists(st.sampled_from([b"Bcc: x\r\n", b" y\r\n", b"To: x\r\n", b"\r\n"]), max_size=9),
    size=st.integers(1, 30),
)
def test_any_pieces_have_one_meaning(words: list[bytes], size: int) -> None:
    octets = b"".join(words)
    whole, stays = block_of(octets)
    block, in_pieces = block_of(octets, size=size)
    assert in_pieces == stays
    assert (block.octets, block.kept(), block.is_complete) == (
        *(whole.octets, whole.kept()),
        whole.is_complete,
    )


# How long it may be, and what is counted


@pytest.mark.parametrize("size", [1, 10, 999])
@pytest.mark.parametrize(("most", "is_too_large"), [(0, False), (-1, True)])
def test_it_may_have_as_many_octets_as_are_allowed(
    most: int, size: int, *, is_too_large: bool
) -> None:
    block, _ = block_of(CLEAN, size=size, most=len(CLEAN) + most, cleaning=None)
    assert block.is_too_large == is_too_large
    assert block.kept() == (b"" if is_too_large else CLEAN)


def test_text_behind_it_does_not_count() -> None:
    block, _ = block_of(CLEAN + b"x" * 500, most=len(CLEAN), cleaning=None)
    assert not block.is_too_large


@pytest.mark.parametrize("size", [1, 3, 9, 10, 11, 99])
@pytest.mark.parametrize("cleaning", [None, SUBMITTED])
def test_each_received_field_is_counted_once(size: int, cleaning: Cleaning | None) -> None:
    octets = (
        b"Received: 1\r\nRECEIVED: 2\r\nX-Received: 0\r\nSubject: received:\r\n received: 0\r\n"
        b"received:3\r\n\r\nReceived: text\r\n"
    )
    assert block_of(octets, size=size, cleaning=cleaning)[0].received_count == 3


def test_an_empty_first_line_ends_it() -> None:
    block, stays = block_of(b"\r\nReceived: text\r\n")
    assert (block.octets, block.received_count, block.is_complete) == (2, 0, True)
    assert stays == b"\r\nReceived: text\r\n"


def test_it_is_kept_only_where_somebody_wants_it_and_taken_once() -> None:
    one, _ = block_of(CLEAN)
    assert one.take() == CLEAN
    assert one.kept() == one.take() == b""
    other = HeaderBlock(max_octets=99, keep=False)
    assert other.feed(CLEAN) == CLEAN
    assert other.kept() == b""


# What submission reads of it


def test_each_field_is_found_under_any_case_with_its_folds() -> None:
    found = find_fields(
        b"FROM: a@b.fr,\r\n\tc@d.fr\r\nfrom:e@f.fr\r\nSender: g@h.fr\r\nResent-Sender: k@l.fr\r\n"
        b"Resent-From: i@j.fr\r\nDate: now\r\nMessage-ID: <x@y>\r\n\r\nFrom: text@b.fr\r\n"
    )
    assert found.authors == (b" a@b.fr,\tc@d.fr", b"e@f.fr")
    assert found.senders == (b" g@h.fr",)
    assert found.resenders == (b" i@j.fr", b" k@l.fr")
    assert (found.has_date, found.has_message_id, found.has_bad_line) == (True, True, False)


def test_what_is_not_there_is_not_found() -> None:
    found = find_fields(b"Subject: x\r\n From: a@b.fr\r\nX-Date: y\r\nX-Message-ID: z\r\n\r\n")
    assert (found.authors, found.senders, found.resenders) == ((), (), ())
    assert (found.has_date, found.has_message_id, found.has_bad_line) == (False, False, False)


@pytest.mark.parametrize(
    ("lines", "is_bad"),
    [
        (b"Subject: x", False),
        (b"Subject: x\ty", False),
        (b"Subject:", False),
        (b"Subject: x\r\n y", False),
        (b"Subject: x\r\n ", False),  # an empty fold of a field that nobody reads an author from
        (b"From: a@b.fr\r\n \r\n Boss <boss@b.fr>", True),
        (b"From: a@b.fr\r\n\t", True),
        (b"From\x0b: a@b.fr", True),
        (b"From : a@b.fr", True),
        (b"no field", True),
        (b": x", True),
        (b"Subject: x\x0b", True),
        (b"Subject: x\x0c", True),
        (b"Subject: x\0", True),
        (b"Subject: x\x1c", True),
        (b"Subject: x\x1b[31m", False),  # ISO-2022-JP, which some write as it is
        (b"Subject: x\r\n y\x1d", True),
        (b"Subject: x\r\n y\x7f", False),
        (b"Sujet-\xc3\xa9: x", True),
    ],
)
@pytest.mark.parametrize("is_last", [True, False])
def test_which_lines_are_lawful(lines: bytes, *, is_bad: bool, is_last: bool) -> None:
    others = [b"To: x@y.fr", b"Date: now"]
    block = b"\r\n".join([*others, lines] if is_last else [lines, *others])
    assert find_fields(block + b"\r\n\r\n").has_bad_line == is_bad


# Authors


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"a@b.fr", ["a@b.fr"]),
        (b" Zo (x) <a@b.fr> ,, c@d.fr", ["a@b.fr", "c@d.fr"]),
        (b"(a (b) \\) @ <c>) a@b.fr", ["a@b.fr"]),
        (b'a@b.fr (5" tall, <x)', ["a@b.fr"]),
        (b'"boss@b.fr" <a@b.fr>', ["a@b.fr"]),
        (b"boss@b.fr <a@b.fr>", ["boss@b.fr", "a@b.fr"]),
        (b"<a@b.fr> boss@b.fr", ["boss@b.fr", "a@b.fr"]),
        (b"@ <a@b.fr>", ["a@b.fr"]),
        (b"boss@b.fr: a@b.fr, c@d.fr;", ["a@b.fr", "c@d.fr"]),
    ],
)
def test_who_is_named(value: bytes, wanted: list[str]) -> None:
    assert [str(one) for one in parse_authors(value)] == wanted


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" , ",
        b"g:;",
        b"(a@b.fr)",
        b"(a@b.fr",
        b"a@b.fr (x",
        b"a@b.fr)",
        b"()) a@b.fr",
        b"(( a@b.fr)",
        b"<a@b.fr> <c@d.fr>",
        b"<>",
        b"a@b.fr c@d.fr",
        b"<a@b.fr",
        b'"a@b.fr',
        b"boss(x)@b.fr, \xff@b.fr",
        b"a",
    ],
)
def test_what_cannot_be_read_without_guessing_is_nobody(value: bytes) -> None:
    with pytest.raises(BadAddressList):
        parse_authors(value)


def test_as_many_authors_as_are_allowed_and_no_more() -> None:
    assert len(parse_authors(b"a@b.fr," * MAX_AUTHORS)) == MAX_AUTHORS
    with pytest.raises(BadAddressList, match="too many"):
        parse_authors(b"a@b.fr," * (MAX_AUTHORS + 1))


def test_a_field_of_authors_may_be_so_long_and_no_longer() -> None:
    most = b"a@b.fr (" + b"x" * (MAX_AUTHORS_OCTETS - 9) + b")"
    assert len(most) == MAX_AUTHORS_OCTETS
    assert len(parse_authors(most)) == 1
    with pytest.raises(BadAddressList, match="too long"):
        parse_authors(most + b" ")
