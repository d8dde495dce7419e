"""Filed bodies: durable before a row names them, gone once nobody needs them."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from mailserver.store.ports.bodies import BodyUnreadable, body_chunks, read_body
from mailserver.store.ports.store import Store
from mailserver.values.ids import Uid
from mailserver.values.message import FiledBody
from tests.store.letters import (
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter_to,
    people,
    read,
    recipient_of,
    remove,
)


def spooled(store: Store, *chunks: bytes) -> FiledBody:
    spool = store.bodies.open_spool()
    for chunk in chunks:
        spool.write(chunk)
    return spool.commit()


def test_a_spool_keeps_its_octets_in_order(store: Store) -> None:
    (box,) = people(store, 1)
    body = spooled(store, b"", b"one\r\n", bytes(100_000), b"\xfftwo\r\n")
    assert body.size_octets == 100_011
    accept(store.writes, letter_to(box, body=body))
    wanted = b"one\r\n" + bytes(100_000) + b"\xfftwo\r\n"
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), wanted)


def test_an_empty_spool_is_an_empty_body(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=spooled(store)))
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), b"")


def test_spools_never_share_a_name(store: Store) -> None:
    assert len({spooled(store, b"same").name for _ in range(20)}) == 20


def test_a_discarded_spool_leaves_nothing_to_fetch(store: Store) -> None:
    spool = store.bodies.open_spool()
    spool.write(b"never mind")
    spool.discard()
    spool.discard()


def test_discard_after_commit_harms_nothing(store: Store) -> None:
    (box,) = people(store, 1)
    spool = store.bodies.open_spool()
    spool.write(b"kept\r\n")
    body = spool.commit()
    spool.discard()
    accept(store.writes, letter_to(box, body=body))
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), b"kept\r\n")


def test_a_filed_message_is_closed_twice_without_harm(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=spooled(store, b"x")))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    assert message.reader is not None
    message.close()
    message.close()
    assert message.reader is None


def test_a_message_being_read_survives_its_reclaim(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=spooled(store, b"large")))
    message = store.mail.fetch(box, Uid(1))
    remove(store.writes, box, [1])
    reclaimed = store.upkeep.reclaim(now_s=NOW_S + 1)
    assert (reclaimed.entry_count, reclaimed.message_count, reclaimed.file_count) == (1, 1, 1)
    assert read(message) == as_fetched(recipient_of(box), b"large")
    assert fetch(store, box, 1) is None


def test_a_filed_body_stays_until_its_last_entry_goes(store: Store) -> None:
    first, second = people(store, 2)
    accept(store.writes, letter_to(first, second, body=spooled(store, b"large")))
    remove(store.writes, first, [1])
    assert store.upkeep.reclaim(now_s=NOW_S + 1).file_count == 0
    assert fetch(store, second, 1) == as_fetched(recipient_of(second), b"large")
    remove(store.writes, second, [1])
    assert store.upkeep.reclaim(now_s=NOW_S + 1).file_count == 1


def test_there_is_room_on_the_disk(store: Store) -> None:
    room = store.bodies.disk_room()
    assert 0 < room.free_octets <= room.total_octets
    assert room.reusable_octets >= 0


def test_a_body_is_read_in_ranges_and_in_chunks(store: Store) -> None:
    (box,) = people(store, 1)
    body = bytes(range(256)) * 40
    accept(store.writes, letter_to(box, body=spooled(store, body)), letter_to(box, body=body))
    for uid in (1, 2):
        message = store.mail.fetch(box, Uid(uid))
        assert message is not None
        with closing(message):
            assert read_body(message, 10, 300) == body[300:310]
            assert read_body(message, 100, len(body) - 3) == body[-3:]
            assert read_body(message, 100, len(body)) == b""
            assert b"".join(body_chunks(message, 1000)) == body
            assert b"".join(body_chunks(message, 1000, begin=9, end=2500)) == body[9:2500]
            assert list(body_chunks(message, 1000, begin=7, end=7)) == []
            assert list(body_chunks(message, 1000, begin=len(body))) == []


def test_chunks_of_a_filed_body_are_as_long_as_was_asked(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=spooled(store, b"x" * 2500)))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    assert message.reader is not None
    assert message.reader.size_octets == message.body_octets == 2500
    with closing(message):
        assert [len(chunk) for chunk in body_chunks(message, 1000)] == [1000, 1000, 500]


def test_what_the_kernel_may_send_is_the_body(store: Store) -> None:
    """Where a reader has a descriptor: its octets are the body's, from 0 on."""
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=spooled(store, b"as it is\r\n")))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    assert message.reader is not None
    with closing(message):
        fd = message.reader.descriptor()
        assert fd is None or os.pread(fd, 100, 0) == b"as it is\r\n"


def test_a_reader_that_was_closed_gives_nothing_and_says_so(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, body=spooled(store, b"over\r\n")))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    reader = message.reader
    assert reader is not None
    message.close()
    reader.close()
    with pytest.raises(BodyUnreadable):
        reader.read(1, 0)
    with pytest.raises(BodyUnreadable, match="closed before"):
        read_body(message, 1, 0)
