"""A field of authors has one way to be read, or is refused."""

from __future__ import annotations

import pytest

from smtp_relay.inbound.authors.fields import (
    MAX_AUTHORS,
    MAX_AUTHORS_OCTETS,
    BadAddressList,
    parse_authors,
    read_strictly,
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"me@b.fr", ["me@b.fr"]),
        (b" me@b.fr (Marie (Curie)) (x)", ["me@b.fr"]),
        (b"Marie (x) Curie <me@b.fr> (y)", ["me@b.fr"]),
        (b'"Marie, Curie" <me@b.fr>,\tboss@b.fr', ["me@b.fr", "boss@b.fr"]),
        (b"=?utf-8?q?Zo=C3=A9?= <me@b.fr>", ["me@b.fr"]),
    ],
)
def test_what_every_program_reads_alike_is_read(value: bytes, wanted: list[str]) -> None:
    assert [str(one) for one in read_strictly(value)] == wanted


@pytest.mark.parametrize(
    "value",
    [
        b"boss(x)@b.fr",  # some show boss, some boss@b.fr
        b"boss@(x)b.fr",
        b"(x) boss@b.fr",
        b"boss(x)@b.fr <me@b.fr>",
        b"<me@b.fr> Boss",
        b"<me@b.fr> (x) Boss",
        b"me@b.fr, , boss@b.fr",
        b"me@b.fr,",
        b"(nobody)",
        b"",
        b"boss@b.fr: me@b.fr;",
        b"Boss <me@b.fr> <boss@b.fr>",
        b"Boss <@b.fr:me@b.fr>",
        b"Boss\x0b <me@b.fr>",
        b"Boss\x7f <me@b.fr>",
        b"Boss \x00<me@b.fr>",
    ],
)
def test_what_two_programs_may_read_as_two_things_is_refused(value: bytes) -> None:
    with pytest.raises(BadAddressList):
        read_strictly(value)


def test_a_field_may_be_so_long_and_no_longer() -> None:
    most = b"me@b.fr (" + b"x" * (MAX_AUTHORS_OCTETS - 10) + b")"
    assert len(most) == MAX_AUTHORS_OCTETS
    assert len(read_strictly(most)) == 1
    with pytest.raises(BadAddressList):
        read_strictly(most + b" ")


def test_so_many_authors_and_no_more() -> None:
    most = b", ".join([b"me@b.fr"] * MAX_AUTHORS)
    assert len(parse_authors(most)) == MAX_AUTHORS
    with pytest.raises(BadAddressList):
        parse_authors(most + b", me@b.fr")


@pytest.mark.parametrize("value", [b"me@b.fr (x", b"me@b.fr (x (y)", b"me@b.fr x)", b")me@b.fr"])
def test_a_comment_that_does_not_end_is_no_list_of_authors(value: bytes) -> None:
    with pytest.raises(BadAddressList):
        parse_authors(value)
