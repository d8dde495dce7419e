"""Who may take what room: new mail, removed messages, large bodies."""

from __future__ import annotations

import pytest

from mailserver.settings.model import StoreSettings
from mailserver.store.files.room import RoomRules, room_rules
from mailserver.store.ports.bodies import DiskRoom

MIB = 1024 * 1024
RULES = RoomRules(
    min_free_octets=512 * MIB,
    log_octets=128 * MIB,
    inline_limit_octets=MIB // 4,
    removed_fraction=0.1,
)


def room(*, free: float, reusable: float = 0, total: float = 100_000) -> DiskRoom:
    """All in MiB."""
    return DiskRoom(
        total_octets=int(total * MIB),
        free_octets=int(free * MIB),
        reusable_octets=int(reusable * MIB),
    )


@pytest.mark.parametrize(
    ("free", "reusable", "octets", "may_come"),
    [
        (10_000, 0, 0, True),
        (512, 0, 0, True),
        (511, 0, 0, False),
        (511, 2, 0, True),  # in the database
        (511, 2, 300_000, False),  # a file of its own
        (513, 0, 300_000, True),
        (512, 0, 300_000, False),
        (513, 0, 2 * MIB, False),
        (128, 1_000, 0, True),
        (127, 1_000, 0, False),  # the log needs room, whatever the database holds
        (0, 100_000, 0, False),
    ],
)
def test_new_mail_leaves_what_is_to_stay_free(
    free: float, reusable: float, octets: int, may_come: bool
) -> None:
    assert RULES.takes(room(free=free, reusable=reusable), octets) is may_come


def test_without_a_minimum_any_room_is_enough() -> None:
    rules = RoomRules(inline_limit_octets=MIB)
    assert rules.takes(room(free=0, reusable=1), 1000)
    assert not rules.takes(room(free=0), 1000)


@pytest.mark.parametrize(
    ("free", "reusable", "is_short"),
    [(1_024, 0, False), (1_023, 0, True), (512, 512, False), (0, 1_000, True)],
)
def test_removed_messages_go_while_new_mail_is_still_taken(
    free: float, reusable: float, is_short: bool
) -> None:
    assert RULES.is_short(room(free=free, reusable=reusable)) is is_short


def test_a_small_disk_is_not_short_for_ever() -> None:
    assert not RULES.is_short(room(free=300, total=1_000))
    assert RULES.is_short(room(free=200, total=1_000))


def test_removed_messages_may_hold_their_part_of_the_disk() -> None:
    assert not RULES.is_over(room(free=1, total=100), 10 * MIB)
    assert RULES.is_over(room(free=1, total=100), 10 * MIB + 1)


def test_the_rules_are_those_of_the_settings() -> None:
    store = StoreSettings(min_free_mib=100, wal_limit_mib=10, keep_removed_percent=25)
    assert room_rules(store) == RoomRules(
        min_free_octets=100 * MIB,
        log_octets=20 * MIB,
        inline_limit_octets=256 * 1024,
        removed_fraction=0.25,
    )
