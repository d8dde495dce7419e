"""Header octets as people read them: never an error, never a lost letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.header_text import MAX_READ_OCTETS, decode_octets, decode_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        ("été 🌻".encode(), "été 🌻"),
        (b"\xe9t\xe9", "été"),
        (b"\x80 caf\xe9", "€ café"),
        (b"l\x92\xe9t\xe9 \x96 \x8cuvre", "l’été – Œuvre"),
        (b"\x81\x8d", "\x81\x8d"),
        ("é".encode() + b"\xe9", "Ã©é"),
        (b"=?utf-8?q?=C3=A9t=C3=A9?= \xe9", "été é"),
        (b"=?iso-8859-1?q?caf=E9_=80?=", "café €"),
        (b"=?ISO-8859-1?Q?caf=E9?=  =?windows-1252?q?=9C?=", "caféœ"),
        (b"=?us-ascii?q?caf=E9?=", "café"),
        (b"=?x-none?b?4pyT?=", "=?x-none?b?4pyT?="),
        (b"=?utf-8?b?x?=", "=?utf-8?b?x?="),
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8*fr?q?oui?=", "oui"),
    ],
)
def test_a_value_as_a_person_reads_it(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.binary(max_size=300))
def test_whatever_the_octets_no_letter_is_lost(octets: bytes) -> None:
    shown = decode_octets(octets)
    assert "\ufffd" not in shown or "\ufffd".encode() in octets
    assert isinstance(decode_words(octets), str)


@given(st.text(max_size=40), st.integers(1, 60))
def test_a_limit_cuts_no_character_in_two(text: str, most: int) -> None:
    cut = decode_octets(text.encode("utf-8", "replace"), most_octets=most)
    assert text.encode("utf-8", "replace").decode().startswith(cut)
    assert len(cut.encode()) > most - 4 or cut == text.encode("utf-8", "replace").decode()


def test_no_more_than_the_beginning_is_read() -> None:
    assert len(decode_words(b"x" * 10 * MAX_READ_OCTETS)) == MAX_READ_OCTETS
