"""What changes in the header block of a post, and what must not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.header import (
    Rewriting,
    list_fields,
    prefix_words,
    rewrite,
    split_fields,
    with_prefix,
)
from mailserver.store.lists import Posting
from tests.lists.fakes import mailing_list

HOW = Rewriting(which=mailing_list(), own_domains=frozenset({"ac-exemple.fr"}))

_NAMES = st.sampled_from(
    [b"From", b"To", b"Subject", b"SUBJECT", b"Received", b"X-Note", b"List-Post", b"Precedence",
     b"DKIM-Signature", b"Message-ID", b"List-Id", b"Reply-To"]
)  # fmt: skip
_TEXT = st.binary(max_size=40).map(lambda octets: re.sub(rb"[\r\n]", b"", octets))
_FOLDS = st.lists(_TEXT, max_size=3)


@st.composite
def _blocks(draw: st.DrawFn) -> bytes:
    lines = b""
    for name in draw(st.lists(_NAMES, max_size=8)):
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
    added = len(split_fields(b"".join(list_fields(HOW)))[0])
    kept = [f.octets for f in after[added:] if f.name not in changed]
    assert kept == before
    assert rest == split_fields(block)[1]


@given(_blocks())
def test_each_subject_has_one_prefix_however_often_it_goes_through(block: bytes) -> None:
    once = rewrite(block, HOW)
    twice = rewrite(once, HOW)
    for field in split_fields(twice)[0]:
        if field.name == b"subject":
            assert field.value.count(b"[animateurs]") >= 1
    subjects = [
        [f.octets for f in split_fields(b)[0] if f.name == b"subject"] for b in (once, twice)
    ]
    assert subjects[0] == subjects[1]


@given(_blocks(), st.text(min_size=1, max_size=40).filter(lambda t: t.isprintable()))
def test_what_is_added_has_valid_lines(block: bytes, name: str) -> None:
    prefix = name.replace("[", "").replace("]", "").strip() or "x"
    how = Rewriting(which=mailing_list(prefix=prefix), own_domains=frozenset())
    added = b"".join(list_fields(how))
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


def test_a_post_without_subject_gets_the_prefix_alone() -> None:
    assert b"\r\nSubject: [animateurs]\r\n\r\n" in rewrite(b"From: a@b.fr\r\n\r\n", HOW)


def test_our_own_signature_goes_and_that_of_others_stays() -> None:
    block = (
        b"DKIM-Signature: v=1; d=ac-exemple.fr;\r\n s=a; b=x\r\n"
        b"DKIM-Signature: v=1; s=b;\r\n d = exemple.net ; b=y\r\n\r\n"
    )
    names = [f.octets for f in split_fields(rewrite(block, HOW))[0] if f.name == b"dkim-signature"]
    assert names == [b"DKIM-Signature: v=1; s=b;\r\n d = exemple.net ; b=y\r\n"]


def test_an_announcement_says_that_nobody_answers_on_the_list() -> None:
    how = Rewriting(which=mailing_list(posting=Posting.ANNOUNCE), own_domains=frozenset())
    assert b"List-Post: NO\r\n" in b"".join(list_fields(how))


def test_one_click_is_offered_only_where_there_is_a_link() -> None:
    assert b"One-Click" not in b"".join(list_fields(HOW))
    how = Rewriting(
        which=mailing_list(), own_domains=frozenset(), unsubscribe_url="https://mel.fr/u/1.x"
    )
    fields = b"".join(list_fields(how))
    assert b"List-Unsubscribe: <https://mel.fr/u/1.x>,\r\n <mailto:animateurs-un" in fields
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in fields
