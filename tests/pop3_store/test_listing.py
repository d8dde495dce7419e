"""Unique-ids, and texts: what no client may ever see otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pop3_store.listing import BadEpoch, unique_id_prefix
from pop3_store.texts import MAX_REPLY_OCTETS, Say, speak


@given(epoch=st.text(max_size=60))
def test_a_unique_id_has_1_to_70_printable_characters_or_is_refused(epoch: str) -> None:
    try:
        prefix = unique_id_prefix(epoch)
    except BadEpoch:
        return
    unique_id = b"%s%d" % (prefix, 2**64 - 1)
    assert 1 <= len(unique_id) <= 70
    assert all(0x21 <= octet <= 0x7E for octet in unique_id)


@pytest.mark.parametrize("epoch", ["a b", "é", "x" * 50, "\x7f"])
def test_an_epoch_that_cannot_stand_in_a_unique_id(epoch: str) -> None:
    with pytest.raises(BadEpoch):
        unique_id_prefix(epoch)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_reply_is_one_ascii_line(language: str) -> None:
    replies = speak("fr" if language == "fr" else "en", hostname="mail.ac-exemple.fr")
    assert set(replies) == set(Say)
    for reply in replies.values():
        assert reply.isascii()
        assert b"?" not in reply
        assert len(reply) <= MAX_REPLY_OCTETS
        assert reply.startswith((b"+OK ", b"-ERR "))
        assert reply.find(b"\r\n") == len(reply) - 2


def test_the_greeting_has_no_apop_stamp() -> None:
    """RFC 1939 §7: a `<...>` in the greeting would offer APOP."""
    assert b"<" not in speak("fr", hostname="mail.ac-exemple.fr")[Say.GREETING]
