"""Which fields are signed, and how the field is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.dkim.canonical import canonical_line, parse_fields
from mailserver.dkim.signature import (
    MAX_SIGNED_FIELDS,
    TooManyFields,
    draft_signature,
    select_fields,
)


def names_of(block: bytes) -> list[bytes]:
    return select_fields(parse_fields(block)).names.split(b":")


def test_the_example_of_the_standard_has_its_canonical_form() -> None:
    # RFC 6376 §3.4.5, Example 1.
    fields = list(parse_fields(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\n"))
    assert [canonical_line(*field) for field in fields] == [b"a:X\r\n", b"b:Y Z\r\n"]


def test_fields_that_readers_see_are_signed_once_more_than_they_stand() -> None:
    names = names_of(b"From: a@a.test\r\nSubject: s\r\nMIME-Version: 1.0\r\nX-Other: x\r\n")
    assert names == [b"from", b"from", b"subject", b"subject", b"date", b"to", b"cc",
                     b"mime-version"]  # fmt: skip


def test_fields_of_one_name_are_signed_from_the_bottom_up() -> None:
    signed = select_fields(parse_fields(b"To: above\r\nFROM: f\r\nto: below\r\n"))
    assert signed.lines == b"from:f\r\nto:below\r\nto:above\r\n"


def test_the_fields_of_a_list_are_signed() -> None:
    names = names_of(b"List-Unsubscribe-Post: x\r\nList-Id: y\r\nFrom: a\r\n")
    assert names[-3:] == [b"list-id", b"list-unsubscribe-post", b"list-unsubscribe-post"]


def test_a_name_cannot_write_tags_of_ours() -> None:
    assert b"list-x; l=0" not in names_of(b"List-x; l=0: y\r\nFrom: a\r\n")
    assert not any(b";" in name for name in names_of(b"List-;l=0;z=: y\r\nFrom: a\r\n"))


def test_more_fields_than_honest_mail_has_are_not_signed() -> None:
    block = b"To: x\r\n" * MAX_SIGNED_FIELDS
    assert len(names_of(block)) == MAX_SIGNED_FIELDS + 5
    with pytest.raises(TooManyFields):
        names_of(block + b"Cc: y\r\n")


def test_lines_that_are_no_fields_are_passed_over() -> None:
    assert list(parse_fields(b" folded first\r\nno field\r\nFrom: a\r\n b\r\n")) == [
        (b"from", b" a b")
    ]


def test_the_field_is_folded() -> None:
    fields = select_fields(parse_fields(b"From: a\r\nReferences: r\r\nIn-Reply-To: r\r\n"))
    draft = draft_signature(
        fields,
        algorithm="rsa-sha256",
        domain="a-long-name." * 6 + "test",
        selector="mo1",
        body_hash=bytes(32),
        at_s=1_764_000_000,
    )
    field = draft.signed(bytes(256))
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert all(line.startswith(b"\t") for line in lines[1:])
    assert all(len(line) <= 76 or line.startswith(b"\td=") for line in lines)
    assert b" l=" not in field
    assert b" x=" not in field


@given(st.lists(st.tuples(st.sampled_from([b"to", b"from", b"x-a", b"list-id"]), st.binary())))
def test_every_signed_name_stands_in_the_field_as_it_was_chosen(
    fields: list[tuple[bytes, bytes]],
) -> None:
    chosen = select_fields(fields[:MAX_SIGNED_FIELDS])
    draft = draft_signature(chosen, algorithm="a", domain="d", selector="s", body_hash=b"", at_s=0)
    unfolded = re.sub(rb"\s+", b"", draft.octets)
    assert b";h=" + chosen.names + b";bh=;b=" in unfolded
