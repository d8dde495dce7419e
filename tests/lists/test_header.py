"""What changes in the header block of a post, and what must not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.header import (
    Rewriting,
    find_values,
    list_fields,
    prefix_words,
    rewrite,
    split_fields,
    with_prefix,
)
from mailserver.lists.words import encode_words
from mailserver.store.ports.lists import Posting
from mailserver.values.text.header_text import decode_words
from tests.lists.fakes import mailing_list

HOW = Rewriting(which=mailing_list(), own_domains=frozenset({"ac-exemple.fr"}))

_NAMES = st.sampled_from(
    [b"From", b"To", b"Subject", b"SUBJECT", b"Received", b"X-Note", b"List-Post", b"Precedence",
     b"DKIM-Signature", b"Message-ID", b"List-Id", b"Reply-To"]
)  # fmt: skip
_TEXT = st.binary(max_size=20).map(lambda octets: re.sub(rb"[\r\n]", b"", octets))
_PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
_FOLDS = st.lists(_TEXT, max_size=2)


@st.composite
def _blocks(draw: st.DrawFn) -> bytes:
    lines = b""
    for name in draw(st.lists(_NAMES, max_size=5)):
        value = b"".join(b"\r\n " + b"x" + fold for fold in draw(_FOLDS))
        lines += name + b": " + draw(_TEXT) + value + b"\r\n"
    return lines + draw(st.sampled_from([b"\r\n", b""]))


@given(st.one_of(_blocks(), st.binary(max_size=300)))
def test_split_fields_lose_no_octet(block: bytes) -> None:
    fields, rest = split_fields(block)
    assert b"".join(field.octets for field in fields) + rest == block


@given(_blocks())
def test_what_is_not_meant_to_change_does_not(block: bytes) -> None:
    changed = {b"subject", b"list-post", b"precedence", b"dkim-signature"}
    before = [f.octets for f in split_fields(block)[0] if f.name not in changed]
    after, rest = split_fields(rewrite(block, HOW))
    kept = [f.octets for f in after if f.name not in changed]
    assert kept == before
    assert rest == split_fields(block)[1]


@given(_blocks())
def test_each_subject_has_one_prefix_however_often_it_goes_through(block: bytes) -> None:
    once = rewrite(block, HOW)
    twice = rewrite(once, HOW)
    for field in split_fields(twice)[0]:
        if field.name == b"subject":
            assert "[animateurs]" in decode_words(field.value)
    subjects = [
        [f.octets for f in split_fields(b)[0] if f.name == b"subject"] for b in (once, twice)
    ]
    assert subjects[0] == subjects[1]


@given(st.text(_PRINTABLE, min_size=1, max_size=40))
def test_what_is_added_has_valid_lines(name: str) -> None:
    prefix = name.replace("[", "").replace("]", "").strip() or "x"
    added = b"".join(list_fields(mailing_list(prefix=prefix)))
    assert all(len(line) <= 998 for line in added.split(b"\r\n"))
    assert added.isascii()
    assert b"\n" not in added.replace(b"\r\n", b"")
    assert prefix_words(prefix).isascii()
    assert b"\n" not in prefix_words(prefix)


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        (b" bonjour\r\n", b" [animateurs] bonjour\r\n"),
        (b" Re: bonjour\r\n", b" [animateurs] Re: bonjour\r\n"),
        (b" Re: [animateurs] bonjour\r\n", b" Re: [animateurs] bonjour\r\n"),
        (b" RE : Tr: [Animateurs] x\r\n", b" RE : Tr: [Animateurs] x\r\n"),
        (b" =?utf-8?q?R=C3=A9?=\r\n", b" [animateurs] =?utf-8?q?R=C3=A9?=\r\n"),
        (b" =?UTF-8?Q?Re=3A_=5Banimateurs=5D_R=C3=A9?=\r\n",) * 2,
        (b" =?utf-8?b?UmU6IFthbmlt?=\r\n =?utf-8?b?YXRldXJzXSB4?=\r\n",) * 2,
        (b" Re: [tous] [animateurs] x\r\n",) * 2,
        (b" =?nope?q?x?= [animateurs]\r\n",) * 2,
        (b" r\xe9union\r\n", b" [animateurs] r\xe9union\r\n"),
        (b"\r\n [animateurs] x\r\n", b"\r\n [animateurs] x\r\n"),
        (b"x\r\n", b" [animateurs] x\r\n"),
        (b"\r\n", b" [animateurs] \r\n"),
    ],
)
def test_the_prefix_stands_once(subject: bytes, wanted: bytes) -> None:
    assert with_prefix(subject, "animateurs") == wanted


def test_a_line_that_would_be_too_long_is_folded() -> None:
    value = with_prefix(b" " + b"x" * 985 + b"\r\n", "animateurs")
    assert value == b" [animateurs]\r\n " + b"x" * 985 + b"\r\n"


def test_a_prefix_with_accents_is_an_encoded_word_and_stands_once() -> None:
    value = with_prefix(b" bonjour\r\n", "élèves")
    assert value == b" =?utf-8?b?W8OpbMOodmVzXQ==?= bonjour\r\n"
    assert with_prefix(b" Re:" + value, "élèves") == b" Re:" + value


def test_a_prefix_in_encoded_words_is_apart_from_the_word_that_follows() -> None:
    value = with_prefix(b" =?utf-8?q?R=C3=A9?=\r\n", "élèves")
    assert decode_words(value.strip()) == "[élèves] Ré"


@given(st.text(min_size=1, max_size=60))
def test_an_encoded_word_has_at_most_75_octets_and_says_what_was_written(text: str) -> None:
    words = encode_words(text)
    assert all(len(word) <= 75 for word in words.split(b" "))
    assert decode_words(words) == text


@given(st.binary(max_size=200))
def test_whatever_a_subject_holds_it_is_read(octets: bytes) -> None:
    decode_words(octets)
    value = with_prefix(octets.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n", "élèves")
    assert with_prefix(value, "élèves") == value


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('Zoé "Z"', 'Zoé "Z" via animateurs'),
        ("Paul, le petit", '"Paul, le petit via animateurs"'),
        ("", '"zoe@banque.example via animateurs"'),
    ],
)
def test_the_author_is_named_where_from_must_be_the_list(name: str, shown: str) -> None:
    how = replace(HOW, author="zoe@banque.example", author_name=name)
    block = rewrite(b"From: x <zoe@banque.example>\r\nFrom: second@b.fr\r\n\r\n", how)
    fields, _ = split_fields(block)
    (value,) = find_values(fields, b"from")  # one author, where the post had two fields
    assert decode_words(value) == f"{shown} <animateurs@ac-exemple.fr>"
    assert find_values(fields, b"reply-to") == [b"zoe@banque.example"]


def test_a_post_without_subject_gets_the_prefix_alone() -> None:
    assert rewrite(b"From: a@b.fr\r\n\r\n", HOW).endswith(b"\r\nSubject: [animateurs]\r\n\r\n")


def test_our_own_signature_goes_and_that_of_others_stays() -> None:
    block = (
        b"DKIM-Signature: v=1; d=ac-exemple.fr;\r\n s=a; b=x\r\n"
        b"DKIM-Signature: v=1; s=b;\r\n d = exemple.net ; b=y\r\n\r\n"
    )
    names = [f.octets for f in split_fields(rewrite(block, HOW))[0] if f.name == b"dkim-signature"]
    assert names == [b"DKIM-Signature: v=1; s=b;\r\n d = exemple.net ; b=y\r\n"]


def test_an_announcement_says_that_nobody_answers_on_the_list() -> None:
    assert b"List-Post: NO\r\n" in b"".join(list_fields(mailing_list(posting=Posting.ANNOUNCE)))


def test_what_all_members_get_says_how_to_leave_by_mail() -> None:
    fields = b"".join(list_fields(HOW.which))
    assert b"List-Unsubscribe: <mailto:animateurs-unsubscribe@ac-exemple.fr>\r\n" in fields
    assert b"One-Click" not in fields


def test_a_way_to_leave_another_list_goes_with_that_list() -> None:
    block = (
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        b"List-Unsubscribe: <https://other.example/x>,\r\n <mailto:x@other.example>\r\n"
        b"X-Note: kept\r\n\r\n"
    )
    assert rewrite(block, replace(HOW, which=mailing_list(prefix=""))) == b"X-Note: kept\r\n\r\n"


@pytest.mark.parametrize(
    ("block", "names", "rest"),
    [
        (b"\r\nFrom: x\r\n", [], b"\r\nFrom: x\r\n"),
        (b"\r\n text\r\n", [], b"\r\n text\r\n"),
        (b"A: x\r\n\r\n text\r\n", [b"a"], b"\r\n text\r\n"),
        (b"A: x\r\n\r\n\ttext\r\n", [b"a"], b"\r\n\ttext\r\n"),
        (b"A: x\r\n y\r\nB: z\r\n\r\n", [b"a", b"b"], b"\r\n"),
        (b"A: x\r\nB", [b"a", b""], b""),
        (b"", [], b""),
    ],
)
def test_a_header_block_ends_with_its_first_empty_line_and_nothing_folds_over_it(
    block: bytes, names: list[bytes], rest: bytes
) -> None:
    fields, left = split_fields(block)
    assert [field.name for field in fields] == names
    assert left == rest


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_first_from_stands_for_all_wherever_it_stands(count: int) -> None:
    how = replace(HOW, author="zoe@banque.example", author_name="Zoé")
    block = b"To: a@b.fr\r\n" + b"From: zoe@banque.example\r\nX-Note: x\r\n" * count + b"\r\n"
    names = [field.name for field in split_fields(rewrite(block, how))[0]]
    assert names == [b"to", b"from"] + [b"x-note"] * count + [b"subject", b"reply-to"]


@pytest.mark.parametrize("last", [b"From: zoe@banque.example", b"Subject: x", b"X-Note: x"])
def test_what_is_added_to_a_block_without_an_end_has_a_line_of_its_own(last: bytes) -> None:
    how = replace(HOW, author="zoe@banque.example")
    written = rewrite(b"To: a@b.fr\r\n" + last, how)
    assert written.endswith(b"\r\nReply-To: zoe@banque.example\r\n")
    assert all(field.name for field in split_fields(written)[0])


def test_where_the_author_has_said_where_answers_go_they_go_there() -> None:
    how = replace(HOW, author="zoe@banque.example")
    block = b"From: zoe@banque.example\r\nReply-To: desk@banque.example\r\n\r\n"
    values = find_values(split_fields(rewrite(block, how))[0], b"reply-to")
    assert values == [b"desk@banque.example"]


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("", ""),
        ("Animateurs", '"Animateurs"\r\n '),
        ("  Les\t animateurs ", '"Les animateurs"\r\n '),
        ('dits "les 17"', '"dits \\"les 17\\""\r\n '),
        ("x" * 60, f'"{"x" * 60}"\r\n '),
        ("x" * 61, ""),
        ("Élèves", ""),
        ("a\x1b[2J", ""),
        ("a\x00b", ""),
        ("a\r\nBcc: x@b.fr", '"a Bcc: x@b.fr"\r\n '),
    ],
)
def test_a_list_id_shows_a_description_only_where_it_is_short_and_plain(
    description: str, shown: str
) -> None:
    first = next(list_fields(mailing_list(description=description)))
    assert re.sub(r"<.*>", "<>", first.decode("ascii")) == f"List-Id: {shown}<>\r\n"
