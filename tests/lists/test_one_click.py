"""Links that take one member off one list: read back, and never made by another."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.one_click import (
    ByHand,
    ByRule,
    Subscriber,
    leave_url,
    list_of_token,
    make_leave_token,
    read_leave_token,
)
from mailserver.lists.tokens import sign_subscriber
from mailserver.values.ids import AccountId, ListId
from tests.lists.fakes import mailing_list

IDS = st.integers(1, 10**18 - 1)
SUBSCRIBERS = IDS.map(ByHand) | IDS.map(lambda number: ByRule(AccountId(number)))
ONE = mailing_list()
TOKEN = make_leave_token(ONE, ByHand(17))


@given(list_id=IDS, who=SUBSCRIBERS, secret=st.binary(max_size=40))
def test_whom_a_link_is_for_is_read_back_in_any_case(
    list_id: int, who: Subscriber, secret: bytes
) -> None:
    which = replace(ONE, list_id=ListId(list_id), secret=secret)
    url = leave_url("https://mail.exemple.fr/", which, who)
    assert re.fullmatch(r"https://mail\.exemple\.fr/leave/[a-z0-9-]+", url)
    for token in (url.rpartition("/")[2], url.rpartition("/")[2].upper()):
        assert list_of_token(token) == list_id
        assert read_leave_token(which, token) == who


@given(place=st.integers(0, len(TOKEN) - 1), letter=st.characters())
def test_a_link_with_one_letter_changed_is_nobodys(place: int, letter: str) -> None:
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    wanted = ByHand(17) if changed.lower() == TOKEN else None
    assert read_leave_token(ONE, changed) == wanted


@given(text=st.text(max_size=80))
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert read_leave_token(ONE, text) is None
    list_of_token(text)


@pytest.mark.parametrize(
    "other",
    [replace(ONE, list_id=ListId(2)), replace(ONE, secret=b"another secret")],
    ids=["another list", "another secret"],
)
def test_a_link_holds_for_its_own_list_only(other: object) -> None:
    assert isinstance(other, type(ONE))
    assert read_leave_token(other, TOKEN) is None


def test_a_member_and_an_account_of_one_number_have_two_links() -> None:
    by_rule = make_leave_token(ONE, ByRule(AccountId(17)))
    assert by_rule.rpartition("-")[2] != TOKEN.rpartition("-")[2]
    swapped = TOKEN.replace("-m17-", "-a17-")
    assert read_leave_token(ONE, swapped) is None


def test_what_a_bounces_address_is_signed_with_makes_no_link() -> None:
    """The member's server sees both; one must not give the other."""
    of_bounces = sign_subscriber(ONE.secret, ByHand(17)).partition(".")[2]
    assert not TOKEN.rpartition("-")[2].startswith(of_bounces)


def test_a_number_too_long_for_the_store_is_no_token() -> None:
    assert list_of_token("9" * 5000 + "-m1-" + "a" * 16) is None
    assert list_of_token("1-m" + "9" * 19 + "-" + "a" * 16) is None
