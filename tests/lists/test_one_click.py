"""Links that take one reader off one list: read back, and never made by another."""

from __future__ import annotations

import re
from base64 import b32decode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.one_click import (
    Inside,
    Leaver,
    OutsideReader,
    leave_url,
    list_of_token,
    make_leave_token,
    read_leave_token,
)
from mailserver.values.ids import AccountId, ListId
from tests.lists.fakes import mailing_list

IDS = st.integers(1, 10**18 - 1)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).map("{}@exemple.net".format)
LEAVERS = IDS.map(lambda number: Inside(AccountId(number))) | KEYS.map(OutsideReader)
ONE = mailing_list()
PAUL = OutsideReader("paul@exemple.net")
TOKEN = make_leave_token(ONE, PAUL)


@given(list_id=IDS, who=LEAVERS, secret=st.binary(max_size=40))
def test_whom_a_link_is_for_is_read_back_in_any_case(
    list_id: int, who: Leaver, secret: bytes
) -> None:
    which = replace(ONE, list_id=ListId(list_id), secret=secret)
    url = leave_url("https://mail.exemple.fr/", which, who)
    assert re.fullmatch(r"https://mail\.exemple\.fr/leave/[a-z0-9-]+", url)
    for token in (url.rpartition("/")[2], url.rpartition("/")[2].upper()):
        assert list_of_token(token) == list_id
        assert read_leave_token(which, token) == who


def test_a_link_for_the_longest_address_is_read_back() -> None:
    """64 and 255 octets (RFC 5321 §4.5.3.1)."""
    who = OutsideReader(f"{'a' * 64}@{'b' * 255}")
    assert read_leave_token(ONE, make_leave_token(ONE, who)) == who


@given(place=st.integers(0, len(TOKEN) - 1), letter=st.characters() | st.sampled_from("abq27AQ"))
def test_a_link_with_one_letter_changed_is_nobodys(place: int, letter: str) -> None:
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    wanted = PAUL if changed.lower() == TOKEN else None
    assert read_leave_token(ONE, changed) == wanted


@given(text=st.text(max_size=80) | st.text("abcq27-=", max_size=80).map("1-{}".format))
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert read_leave_token(ONE, text) is None
    list_of_token(text)


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, list_id=ListId(2)),
        replace(ONE, secret=b"another secret"),
        replace(ONE, secret=b""),
    ],
    ids=["another list", "another secret", "no secret"],
)
def test_a_link_holds_for_its_own_list_only(other: object) -> None:
    assert isinstance(other, type(ONE))
    assert read_leave_token(other, TOKEN) is None
    assert read_leave_token(other, f"{other.list_id}-{TOKEN.partition('-')[2]}") is None


def test_a_link_is_the_same_each_time_and_another_for_each_reader() -> None:
    readers = (
        PAUL,
        OutsideReader("paul@exemple.ne"),
        OutsideReader("#17@exemple.net"),
        Inside(AccountId(17)),
    )
    assert make_leave_token(ONE, PAUL) == TOKEN
    assert len({make_leave_token(ONE, who) for who in readers}) == 4


def test_a_link_shows_nobodys_address() -> None:
    letters = TOKEN.partition("-")[2].upper()
    octets = b32decode(letters + "=" * (-len(letters) % 8))
    assert len(octets) == 16 + len(PAUL.address_key)
    assert not {b"paul", b"exem"} & {octets[at : at + 4] for at in range(len(octets))}


def test_a_number_too_long_for_the_store_is_no_token() -> None:
    assert list_of_token("9" * 5000 + "-" + "a" * 16) is None
    assert list_of_token("9" * 19 + "-" + "a" * 16) is None
