"""The fake of an agent's messages, held to the store's own contract: each test runs on both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from mailserver.store.ports.bodies import body_chunks
from mailserver.store.ports.queue import SMALL_OCTETS
from mailserver.store.ports.store import Store
from mailserver.values.ids import MessageId
from smtp_relay.delivery.agent.leases import Messages
from tests.smtp_relay.delivery.agent.messages import FakeMessages
from tests.store.letters import accept
from tests.store.queued import outgoing


@dataclass
class Waiting:
    """Messages that wait, and one number that none has."""

    queue: Messages
    small: tuple[MessageId, MessageId]
    large: MessageId
    gone: MessageId


def waiting_in_store(store: Store) -> Waiting:
    spool = store.bodies.open_spool()
    spool.write(bytes(SMALL_OCTETS + 1))
    large = replace(outgoing(), body=spool.commit())
    one, two, three = accept(store.writes, outgoing(), outgoing(), large)
    return Waiting(store.queue, (one, two), three, MessageId(three + 1))


def waiting_without_a_store(_store: Store) -> Waiting:
    one, two, large, gone = map(MessageId, (1, 20, 300, 4000))
    return Waiting(FakeMessages(large=[large], gone=[gone]), (one, two), large, gone)


@pytest.fixture(params=[waiting_in_store, waiting_without_a_store])
def waiting(request: pytest.FixtureRequest, store: Store) -> Waiting:
    found: Waiting = request.param(store)
    return found


def test_small_ones_are_read_at_one_go_without_the_large_and_the_gone(waiting: Waiting) -> None:
    asked = (waiting.gone, *waiting.small, waiting.large)
    found = {one.message_id: one for one in waiting.queue.read_small(asked)}
    assert set(found) == set(waiting.small)
    for one in found.values():
        assert one.octets is not None
        assert one.reader is None
        assert len(one.octets) == one.body_octets
    assert waiting.queue.read_small([]) == []


def test_each_is_opened_by_its_number(waiting: Waiting) -> None:
    for number in (*waiting.small, waiting.large):
        message = waiting.queue.open_queued(number)
        assert message is not None
        assert message.message_id == number
        assert sum(map(len, body_chunks(message, 1000))) == message.body_octets
        message.close()
        message.close()
    assert waiting.queue.open_queued(waiting.gone) is None


def test_what_is_read_small_is_what_is_opened(waiting: Waiting) -> None:
    (read,) = waiting.queue.read_small(waiting.small[:1])
    assert waiting.queue.open_queued(waiting.small[0]) == read
