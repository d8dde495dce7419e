"""How much room there is, and who may take it: removed messages go before new mail waits.

    free       on the file system, less what the reserve is owed
    reusable   pages inside the database that hold nothing: rows take them, files do not

A small message takes reusable room, and a little of what is free, for the log.
A large one is a file, and takes what is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailserver.store.ports.bodies import DiskRoom

if TYPE_CHECKING:
    from mailserver.settings.model import StoreSettings


LOGS: Final = 2
"""Logs at their limit that a disk must have room for: what the database takes of one, and one."""
_KIB: Final = 1024
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRules:
    """What is to stay free, and what removed messages may hold.

    log_octets: what `LOGS` logs at their limit take.
    """

    min_free_octets: int = 0
    log_octets: int = 0
    inline_limit_octets: int = 0
    removed_fraction: float = 1.0  # of the file system

    def takes(self, room: DiskRoom, octets: int) -> bool:
        """May a new message of this size come in?  0: its size is not known."""
        if octets > self.inline_limit_octets:
            return room.free_octets - octets >= self.min_free_octets
        least_octets = min(self.min_free_octets, self.log_octets)
        left_octets = room.free_octets + room.reusable_octets - octets
        return room.free_octets >= least_octets and left_octets >= self.min_free_octets

    def is_short(self, room: DiskRoom) -> bool:
        """Must removed messages go now, while new mail is still taken?"""
        wanted_octets = max(2 * self.min_free_octets, self.log_octets // 2)
        return room.free_octets + room.reusable_octets < min(wanted_octets, room.total_octets // 4)

    def is_over(self, room: DiskRoom, removed_octets: int) -> bool:
        """Do removed messages hold more than their part?"""
        return removed_octets > room.total_octets * self.removed_fraction


def room_rules(store: StoreSettings) -> RoomRules:
    return RoomRules(
        min_free_octets=store.min_free_mib * _MIB,
        log_octets=LOGS * store.wal_limit_mib * _MIB,
        inline_limit_octets=store.inline_limit_kib * _KIB,
        removed_fraction=store.keep_removed_percent / 100,
    )
