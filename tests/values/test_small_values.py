"""Ids, replies, secrets, NUMENs and messages."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.ids import ACCEPT_ID_OCTETS, accept_id_text, make_accept_id
from mailserver.values.message import FiledBody, InlineBody, delivered_to_line
from mailserver.values.numen import BadNumen, parse_numen
from mailserver.values.reply import MAX_REPLY_LINE_OCTETS, Reply
from mailserver.values.secret import Secret

NUMEN = "13E0245678ABC"
HIDDEN = "sésame-ouvre-toi"


# Ids


def test_accept_ids_sort_by_their_time() -> None:
    ids = [make_accept_id(at_s, b"\xff" * 9) for at_s in (0.0, 1.0, 1.002, 2e9)]
    assert ids == sorted(ids)
    assert {len(accept_id) for accept_id in ids} == {ACCEPT_ID_OCTETS}


@given(at_s=st.floats(0, 1e11), random=st.binary(min_size=9, max_size=9))
def test_whatever_the_accept_id_its_text_is_24_plain_characters(at_s: float, random: bytes) -> None:
    text = accept_id_text(make_accept_id(at_s, random))
    assert len(text) == 24
    assert text.isalnum()
    assert text == text.lower()


@pytest.mark.parametrize("octets", [b"", b"x" * 8, b"x" * 10])
def test_an_accept_id_wants_nine_octets_of_chance(octets: bytes) -> None:
    with pytest.raises(ValueError, match="9 random octets"):
        make_accept_id(0.0, octets)


# Replies


@given(code=st.integers(200, 599), enhanced=st.sampled_from(["", "5.1.1"]), text=st.text())
def test_whatever_the_text_a_reply_is_one_line(code: int, enhanced: str, text: str) -> None:
    line = Reply(code, enhanced, text).encode()
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == line.count(b"\r") == 1
    assert len(line) <= MAX_REPLY_LINE_OCTETS
    assert line.startswith(b"%d " % code)
    assert line.isascii()


def test_a_reply_says_its_class() -> None:
    assert Reply(250, "2.0.0", "ok").is_positive
    assert Reply(354, "", "go").is_positive
    assert not Reply(451, "4.3.0", "later").is_positive
    assert not Reply(550, "5.1.1", "no").is_positive
    assert Reply(250, "2.1.5", "ok").encode() == b"250 2.1.5 ok\r\n"
    assert Reply(354, "", "go on").encode() == b"354 go on\r\n"


# Secrets


@pytest.mark.parametrize("secret", [Secret(HIDDEN), Secret(HIDDEN.encode())])
def test_a_secret_shows_stars_only(secret: Secret[str] | Secret[bytes]) -> None:
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{[secret]}"]
    assert all("*" in text for text in shown)
    assert not any("same" in text for text in shown)
    assert secret.reveal() in {HIDDEN, HIDDEN.encode()}
    assert len(secret) == len(secret.reveal())


def test_a_secret_is_never_pickled_nor_copied_deep() -> None:
    for act in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError, match="never pickled") as refused:
            act(Secret(HIDDEN))
        assert HIDDEN not in "".join(traceback.format_exception(refused.value))


def test_a_secret_has_no_dictionary_and_no_odd_formats() -> None:
    secret = Secret(HIDDEN)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError) as refused:
        format(secret, ">40")
    assert HIDDEN not in str(refused.value)


def test_secrets_are_equal_when_their_values_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret(b"a") != b"a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("\udce9") == Secret("\udce9")


# NUMENs


@pytest.mark.parametrize(
    "typed",
    [NUMEN, NUMEN.lower(), " 13e 0245678 abc ", "13E0245678\u00a0ABC", "\t13E0245678ABC\r\n"],
)
def test_a_numen_is_read_in_any_case_and_with_spaces(typed: str) -> None:
    assert parse_numen(typed) == NUMEN


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "has 13 characters, this one has 0"),
        (NUMEN[:-1], "this one has 12"),
        (NUMEN + "D", "this one has 14"),
        ("1330245678ABC", "2 digits, a letter"),
        ("13E024567OABC", "2 digits, a letter"),
        ("13E0245678AB1", "2 digits, a letter"),
        ("١٣E0245678ABC", "2 digits, a letter"),
        ("13É0245678ABC", "2 digits, a letter"),
    ],
)
def test_what_is_no_numen_is_refused_in_words(typed: str, says: str) -> None:
    with pytest.raises(BadNumen, match=says) as refused:
        parse_numen(typed)
    assert not typed or typed not in str(refused.value)


@given(typed=st.text())
def test_whatever_is_typed_it_is_a_numen_or_refused(typed: str) -> None:
    try:
        numen = parse_numen(typed)
    except BadNumen:
        return
    assert parse_numen(numen) == numen
    assert len(numen) == 13
    assert numen.isascii()


# Messages


def test_bodies_know_their_size() -> None:
    assert InlineBody(b"four").size_octets == 4
    assert FiledBody("name", 5).size_octets == 5


def test_the_delivered_to_line_names_the_recipient_as_it_was_given() -> None:
    assert delivered_to_line("Élodie@d.fr") == "Delivered-To: Élodie@d.fr\r\n".encode()
