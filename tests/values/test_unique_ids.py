"""Unique-ids: their form, and that what differs stays different."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.unique_ids import (
    NONCE_OCTETS,
    BadEpoch,
    make_nonce,
    unique_id,
    unique_id_prefix,
)

LARGEST_UID = 2**64 - 1
LARGEST_NONCE = make_nonce(lambda count: b"\xff" * count)
entries = st.tuples(st.integers(1, LARGEST_UID), st.integers(0, LARGEST_NONCE))


@given(epoch=st.text(max_size=60), entry=entries)
def test_a_unique_id_has_1_to_70_printable_characters_or_is_refused(
    epoch: str, entry: tuple[int, int]
) -> None:
    try:
        prefix = unique_id_prefix(epoch)
    except BadEpoch:
        return
    for uid, nonce in (entry, (LARGEST_UID, LARGEST_NONCE)):
        made = unique_id(prefix, uid, nonce)
        assert 1 <= len(made) <= 70
        assert all(0x21 <= octet <= 0x7E for octet in made)


@pytest.mark.parametrize("epoch", ["a b", "é", "x" * 50, "\x7f"])
def test_an_epoch_that_cannot_stand_in_a_unique_id(epoch: str) -> None:
    with pytest.raises(BadEpoch):
        unique_id_prefix(epoch)


@given(one=entries, other=entries)
def test_two_entries_have_one_unique_id_only_if_they_are_one(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    prefix = unique_id_prefix("e5")
    assert (unique_id(prefix, *one) == unique_id(prefix, *other)) == (one == other)


def test_an_entry_without_a_nonce_keeps_the_form_of_old() -> None:
    assert unique_id(b"3fc0ffee12.", 17, 0) == b"3fc0ffee12.17"


@given(octets=st.binary(min_size=NONCE_OCTETS, max_size=NONCE_OCTETS))
def test_a_nonce_is_never_0_and_takes_six_octets_in_the_database(octets: bytes) -> None:
    assert 0 < make_nonce(lambda _: octets) < 2**47


def test_nonces_are_what_chance_says() -> None:
    assert len({make_nonce(os.urandom) for _ in range(1000)}) == 1000
