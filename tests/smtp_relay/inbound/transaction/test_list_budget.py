"""What strangers bring for a list is put off beyond a bound, of all strangers alike."""

from __future__ import annotations

import pytest

from mailserver.lists.addresses import ListPurpose, address_for
from mailserver.store.ports.lists import Posting
from smtp_relay.inbound.transaction.budgets import MOST_LETTERS, MOST_OF_BLOCK, MOST_WAITING
from tests.smtp_relay.inbound.fakes import MARIE, SUBMISSION, Hall
from tests.smtp_relay.inbound.transaction.test_recipients import (
    SIGNED_IN,
    TEXT,
    add_list,
    answer,
    rcpt,
)
from tests.smtp_relay.inbound.wire import DATA, HELLO, MAIL, say

PURPOSES = pytest.mark.parametrize("purpose", [ListPurpose.POST, ListPurpose.OWNER])


def bring(hall: Hall, to: str, *, sender: bytes = MAIL, text: bytes = TEXT) -> str:
    return say(hall, HELLO + sender + rcpt(to) * 3 + DATA + text)[-1]


@PURPOSES
def test_a_block_brings_so_many_for_one_list_and_others_others(
    hall: Hall, purpose: ListPurpose
) -> None:
    which = add_list(hall, Posting.MODERATED)
    to = address_for(which.address, purpose)
    for number in range(MOST_OF_BLOCK[purpose]):
        text = TEXT.replace(b"Subject: x", b"Subject: %d" % number)
        assert bring(hall, to, text=text) == "250 2.0.0"
    assert answer(hall, to=to) == "450 4.7.1"
    assert say(hall, HELLO + SIGNED_IN + rcpt(to), listener=SUBMISSION)[-1] == "250 2.1.5"
    other = ListPurpose.OWNER if purpose is ListPurpose.POST else ListPurpose.POST
    assert answer(hall, to=address_for(which.address, other)) == "250 2.1.5"


def test_whoever_only_names_a_list_shuts_out_nobody(hall: Hall) -> None:
    which = add_list(hall, Posting.MODERATED)
    for _ in range(MOST_OF_BLOCK[ListPurpose.POST] + 1):
        assert answer(hall, to=which.address) == "250 2.1.5"
    assert not hall.store.acts


@pytest.mark.parametrize("is_member", [True, False])
def test_where_too_many_wait_all_strangers_are_put_off_alike(
    hall: Hall, *, is_member: bool
) -> None:
    which = add_list(hall, Posting.MODERATED)
    hall.store.lists.members |= {"a@example.org"} if is_member else set()
    hall.store.lists.waiting_count = MOST_WAITING
    assert answer(hall, to=which.address) == "450 4.7.1"
    assert answer(hall, to=address_for(which.address, ListPurpose.OWNER)) == "250 2.1.5"
    hall.store.lists.members |= {MARIE}
    talk = HELLO + SIGNED_IN + rcpt(which.address)
    assert say(hall, talk, listener=SUBMISSION)[-1] == "250 2.1.5"
    hall.store.lists.waiting_count = MOST_WAITING - 1
    assert answer(hall, to=which.address) == "250 2.1.5"


def test_letters_to_owners_are_put_off_once_they_had_enough(hall: Hall) -> None:
    which = add_list(hall, Posting.MODERATED)
    to = address_for(which.address, ListPurpose.OWNER)
    hall.store.acts[f"list-letters:{which.list_id}"] = MOST_LETTERS
    assert answer(hall, to=to) == "450 4.7.1"
    for purpose in (ListPurpose.UNSUBSCRIBE, ListPurpose.HELP, ListPurpose.POST):
        assert answer(hall, to=address_for(which.address, purpose)) == "250 2.1.5"
