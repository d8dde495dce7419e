"""Unique-ids, and texts: what no client may ever see otherwise."""

from __future__ import annotations

import pytest

from pop3_store.session.listing import SLICE_MESSAGES, OpenMaildrop
from pop3_store.session.texts import MAX_REPLY_OCTETS, Say, speak
from tests.pop3_store.fakes import INBOX, FakeEntry, FakeStore


def uidl_of(store: FakeStore, *, deleted: tuple[int, ...] = ()) -> list[bytes]:
    """The lines of UIDL, without the terminator."""
    drop = OpenMaildrop(store, store.open_maildrop(INBOX))
    for number in deleted:
        drop.mark(number)
    lines = b"".join(drop.unique_id_lines()).split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    for line in lines[:-2]:
        number = int(line.split(b" ")[0])
        assert line == b"%d %s" % (number, drop.unique_id(number))  # UIDL n says the same
    return lines[:-2]


def mixed_store(count: int) -> FakeStore:
    """Entries from before nonces and from after, in no order."""
    nonces = [0, 0xABC, 0xABC, 0, 0x7FFF_FFFF_FFFF]
    return FakeStore(
        [FakeEntry(10 + n, b"\r\n", nonce=nonces[n % len(nonces)]) for n in range(count)]
    )


def test_unique_ids_with_and_without_a_nonce_stand_in_one_listing() -> None:
    assert uidl_of(mixed_store(5), deleted=(2,)) == [
        b"1 e5.10",
        b"3 e5.12.abc",
        b"4 e5.13",
        b"5 e5.14.7fffffffffff",
    ]


@pytest.mark.parametrize("count", [0, 1, SLICE_MESSAGES, 2 * SLICE_MESSAGES + 3])
def test_a_listing_in_slices_has_every_message_once(count: int) -> None:
    lines = uidl_of(mixed_store(count))
    assert [line.split()[0] for line in lines] == [b"%d" % n for n in range(1, count + 1)]
    assert len({line.split()[1] for line in lines}) == count


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
