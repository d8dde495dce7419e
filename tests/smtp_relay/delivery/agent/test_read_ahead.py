"""Messages that are read before connections want them."""

from __future__ import annotations

from collections.abc import Iterable

from mailserver.values.ids import MessageId
from smtp_relay.delivery.agent.leases import EXPECTED_COUNT, KEPT_COUNT, READ_COUNT, ReadAhead
from tests.smtp_relay.delivery.agent.messages import FakeMessages, make_message


def expect(ahead: ReadAhead, numbers: Iterable[int]) -> None:
    ahead.expect(MessageId(number) for number in numbers)


def test_what_is_expected_is_read_with_what_is_wanted() -> None:
    store = FakeMessages()
    ahead = ReadAhead(store)
    expect(ahead, range(100))
    found = [ahead.open(MessageId(number)) for number in range(100)]
    assert found == [make_message(number) for number in range(100)]
    assert [len(look) for look in store.looks] == [READ_COUNT, READ_COUNT, READ_COUNT, 4]
    assert store.opened == []


def test_the_order_may_be_another_one() -> None:
    store = FakeMessages()
    ahead = ReadAhead(store)
    expect(ahead, range(10))
    assert [ahead.open(MessageId(n)) for n in (9, 3, 77)] == [make_message(n) for n in (9, 3, 77)]
    assert [sorted(look) for look in store.looks] == [list(range(10)), [77]]


def test_large_ones_are_opened_when_they_are_wanted_and_gone_ones_are_none() -> None:
    store = FakeMessages(large=[1], gone=[2])
    ahead = ReadAhead(store)
    expect(ahead, range(4))
    found = [ahead.open(MessageId(number)) for number in range(4)]
    assert found == [make_message(0), make_message(1), None, make_message(3)]
    assert store.opened == [1, 2]


def test_each_caller_has_a_message_of_its_own() -> None:
    """Its head is changed for some copies; several batches may be of one message."""
    ahead = ReadAhead(FakeMessages())
    expect(ahead, [1, 1, 1, 2])
    first, second = ahead.open(MessageId(1)), ahead.open(MessageId(1))
    assert first == second
    assert first is not second


def test_what_is_never_wanted_does_not_stay() -> None:
    store = FakeMessages()
    ahead = ReadAhead(store)
    wanted = []
    for number in range(0, 50 * READ_COUNT, READ_COUNT):
        expect(ahead, range(number, number + READ_COUNT))
        wanted.append(ahead.open(MessageId(number)))
    assert None not in wanted
    assert len(ahead._read) <= KEPT_COUNT
    expect(ahead, range(10**6, 10**6 + 2 * EXPECTED_COUNT))
    assert len(ahead._expected) == EXPECTED_COUNT
