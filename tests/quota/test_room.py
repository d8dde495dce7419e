"""Whether there is room, at each border of a quota."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.quota.classes import Classes, ClassLimits, Room, decide_room, percent_used
from mailserver.settings.model import ClassSettings

LIMITS = ClassLimits(name="t", quota_octets=1000, quota_count=10, hard_octets=1100, hard_count=11)
NUMBERS = st.integers(min_value=0, max_value=5000)


def room(octets: int, count: int = 0, *, size: int = 0, is_lenient: bool = False) -> Room:
    return decide_room(
        LIMITS, used_octets=octets, used_count=count, size_octets=size, is_lenient=is_lenient
    )


@pytest.mark.parametrize(
    ("octets", "count", "size", "ordinary", "lenient"),
    [
        (0, 0, 0, Room.YES, Room.YES),
        (999, 0, 0, Room.YES, Room.YES),
        (500, 0, 500, Room.YES, Room.YES),
        (500, 0, 501, Room.NOT_NOW, Room.YES),
        (1000, 0, 0, Room.NOT_NOW, Room.YES),
        (1099, 0, 0, Room.NOT_NOW, Room.YES),
        (1100, 0, 0, Room.NO, Room.NO),
        (0, 0, 1001, Room.NO, Room.NO),
        (0, 9, 0, Room.YES, Room.YES),
        (0, 10, 0, Room.NOT_NOW, Room.YES),
        (0, 11, 0, Room.NO, Room.NO),
        (1000, 11, 0, Room.NO, Room.NO),
    ],
)
def test_the_borders(octets: int, count: int, size: int, ordinary: Room, lenient: Room) -> None:
    assert room(octets, count, size=size) is ordinary
    assert room(octets, count, size=size, is_lenient=True) is lenient


_ORDER = [Room.YES, Room.NOT_NOW, Room.NO]


@given(octets=NUMBERS, more=NUMBERS, count=NUMBERS, size=NUMBERS, is_lenient=st.booleans())
def test_more_in_a_mailbox_never_makes_more_room(
    octets: int, more: int, count: int, size: int, is_lenient: bool
) -> None:
    before = room(octets, count, size=size, is_lenient=is_lenient)
    after = room(octets + more, count, size=size, is_lenient=is_lenient)
    assert _ORDER.index(after) >= _ORDER.index(before)
    assert _ORDER.index(room(octets, count, size=size, is_lenient=True)) <= _ORDER.index(before)


@given(octets=NUMBERS, count=NUMBERS, size=NUMBERS)
def test_no_quota_is_never_full(octets: int, count: int, size: int) -> None:
    limits = ClassLimits(name="none")
    found = decide_room(
        limits, used_octets=octets, used_count=count, size_octets=size, is_lenient=False
    )
    assert found is Room.YES
    assert percent_used(limits, used_octets=octets, used_count=count) is None


def test_the_share_is_of_what_is_nearer_to_its_end() -> None:
    assert percent_used(LIMITS, used_octets=500, used_count=9) == 90
    assert percent_used(LIMITS, used_octets=990, used_count=1) == 99


def test_an_account_without_a_class_or_with_an_unknown_one_has_the_default() -> None:
    classes = Classes(
        [ClassSettings(name="default", quota_mib=1), ClassSettings(name="large", quota_mib=2)],
        grace_percent=150,
    )
    assert classes.of("").quota_octets == classes.of("gone").quota_octets == 1024 * 1024
    assert classes.of("large").quota_octets == 2 * 1024 * 1024
    assert classes.of("large").hard_octets == 3 * 1024 * 1024
    assert not Classes([], grace_percent=110).of("").has_quota


def test_a_small_quota_has_a_margin_too() -> None:
    limits = Classes([ClassSettings(name="few", quota_messages=3)], grace_percent=110).of("few")
    found = decide_room(limits, used_octets=0, used_count=3, size_octets=0, is_lenient=False)
    assert found is Room.NOT_NOW


def test_bulk_is_not_counted() -> None:
    limited = ClassSettings(name="a", sends_per_hour=1)
    bulk = ClassSettings(name="b", sends_per_hour=1, bulk=True)
    classes = Classes([limited, bulk], grace_percent=110)
    assert classes.of("a").limits_sending
    assert not classes.of("b").limits_sending


def test_an_account_without_a_class_has_the_limits_of_sending_that_are_the_default() -> None:
    limits = Classes([], grace_percent=110).of("")
    assert limits.limits_sending
    assert limits.recipients_per_minute == 500
    assert limits.recipients_per_10_minutes == 800
    assert limits.recipients_per_hour == 2000
    assert limits.recipients_per_10_hours == 5000
