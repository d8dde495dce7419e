"""Header octets as people read them: never an error, never a lost letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.text.header_text import (
    MAX_READ_OCTETS,
    decode_octets,
    decode_words,
    read_words,
)


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
        # what cannot be read stays as it is written, and what stands beside it is read
        (b"=?utf-8?q?caf=E9?=", "=?utf-8?q?caf=E9?="),
        (b"=?utf-8?q?caf=E9?= =?utf-8?q?=C3=A9?= x", "=?utf-8?q?caf=E9?=é x"),
        (b"=?utf-8?b?4pyT4g==?=", "=?utf-8?b?4pyT4g==?="),
        (b"=?utf-8?b?4py*T?=", "=?utf-8?b?4py*T?="),
        (b"=?utf-16?b?2A==?=", "=?utf-16?b?2A==?="),
        (b"=?iso-2022-jp?b?GyRCRnw=?=", "日"),
        (b"=?iso-2022-jp?b?GyRCRg==?=", "=?iso-2022-jp?b?GyRCRg==?="),
        (b"=?gb2312?q?=FF?=", "=?gb2312?q?=FF?="),
        (b"=?unicode-escape?q?=5Cu0041?=", "=?unicode-escape?q?=5Cu0041?="),
        (b"=?idna?q?xn--9ca?=", "=?idna?q?xn--9ca?="),
        # a character that is cut in two, as programs do it
        (b"=?utf-8?q?=C3?= =?UTF-8?b?qQ==?=", "é"),
        (b"=?utf-8?b?8J+M?=\t=?utf-8?b?uw==?=", "🌻"),
        (b"=?utf-8?q?=C3?= =?iso-8859-1?q?=A9?=", "=?utf-8?q?=C3?=©"),
        (b"=?utf-8?q?=C3?= x =?utf-8?q?=A9?=", "=?utf-8?q?=C3?= x =?utf-8?q?=A9?="),
        (b"=?utf-8?b?w6k?=", "é"),  # without its "="
        (b"=?utf-8?b?w6 k=?=", "é"),
    ],
)
def test_a_value_as_a_person_reads_it(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.binary(max_size=300))
def test_whatever_the_octets_no_letter_is_lost(octets: bytes) -> None:
    shown = decode_octets(octets)
    assert "\ufffd" not in shown or "\ufffd".encode() in octets
    assert isinstance(decode_words(octets), str)


WORDS = st.sampled_from(
    ["=?utf-8?q?", "=?utf-8?b?", "=?gb2312?q?", "=?utf-16?b?", "=?big5?b?", "=?utf-7?q?", "=?x?q?",
     "=?shift_jis?q?", "?=", "?= ", "=C3", "=A9", "=E9", "=FF", "4py", "T", "4g==", "+", "a", " "]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map("".join))
def test_no_word_gives_a_mark_for_a_lost_letter_unless_it_is_asked_for(text: str) -> None:
    assert "\ufffd" not in read_words(text)
    assert read_words(text).count("é") == read_words(text, errors="strict").count("é")
    for errors in ("replace", "ignore"):
        assert isinstance(read_words(text, errors=errors), str)


@pytest.mark.parametrize(
    ("text", "marked", "left_out"),
    [
        ("=?utf-8?q?caf=E9?=", "caf\ufffd", "caf"),
        ("=?utf-8?b?Ym9zc/9A?=", "boss\ufffd@", "boss@"),
        ("=?utf-8?b?Ym9z*c0A?=", "boss@", "boss@"),
        ("=?utf-8?b?Ym9zc0A4x?=", "boss@8", "boss@8"),
        ("=?x-none?q?boss=40?=", "boss@", "boss@"),
        ("=?x-none?q?a?= =?x-none?q?b?=", "ab", "ab"),
        ("=?utf-8?q?=EF?= =?utf-8?q?=BC=A0?=", "＠", "＠"),
    ],
)
def test_who_looks_for_what_other_programs_show_gets_all_of_it(
    text: str, marked: str, left_out: str
) -> None:
    assert read_words(text, errors="replace") == marked
    assert read_words(text, errors="ignore") == left_out


def test_a_long_word_is_read_to_its_end() -> None:
    said = "x" * 3 * MAX_READ_OCTETS + "é"
    assert read_words(f"=?iso-8859-1?q?{said.replace('é', '=E9')}?=") == said


@given(st.text(max_size=40), st.integers(1, 60))
def test_a_limit_cuts_no_character_in_two(text: str, most: int) -> None:
    cut = decode_octets(text.encode("utf-8", "replace"), most_octets=most)
    assert text.encode("utf-8", "replace").decode().startswith(cut)
    assert len(cut.encode()) > most - 4 or cut == text.encode("utf-8", "replace").decode()


def test_no_more_than_the_beginning_is_read() -> None:
    assert len(decode_words(b"x" * 10 * MAX_READ_OCTETS)) == MAX_READ_OCTETS
