"""Who may come in, when places are few: so many for each block, a share kept for each listener
and for people who are known.

    places of one process        taken by
    a tenth for each listener    who comes to it: no listener is shut by what another one holds
    a fifth                      who comes from where people signed in lately, or is trusted
    all others                   anybody

A stranger's connection counts for its block of addresses (an address, or what one subscriber of
IPv6 has) and for the wider one around it; the processes of a door count together (`board`).
Who signs in is counted by account instead, up to a limit, so a school behind one address is
not shut out by its own people.  Where an address does not say who connects, nothing is counted
by it.

When all is taken, somebody makes room: an idle stranger of the block that holds most, if that is
more than the newcomer's, or else one that has been idle for long.  A core: the time comes in,
guests are told by their own `make_room`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, Protocol

from mailserver.peers.blocks import block_of
from mailserver.peers.board import PeersBoard
from mailserver.settings.model import ConnectionsSettings, Network
from mailserver.values.ids import AccountId
from mailserver.values.ip import parse_ip

LISTENER_SHARE: Final = 10
KNOWN_SHARE: Final = 5
LONG_IDLE_S: Final = 10.0
"""Idle for so long, a stranger makes room for anybody (Postfix waits as long under stress)."""
LOOK_AGAIN_S: Final = 0.5
"""A search for who may go is not made more often."""
MAX_VICTIMS: Final = 64


class Refusal(Enum):
    FULL = "full"
    TOO_MANY_FROM_THERE = "too many from there"


class SeatedConnection(Protocol):
    """A connection."""

    def idle_s(self, now_s: float) -> float | None:
        """Since when it waits for its peer; None: it is at work, and not to be disturbed."""
        ...

    def make_room(self) -> None:
        """Say why, and go."""
        ...


@dataclass(slots=True, eq=False, kw_only=True)
class Seat:
    """One place that is taken."""

    guest: SeatedConnection
    listener: str
    blocks: tuple[str, str] | None  # narrow and wide; None: not counted by address
    is_known: bool  # it took of the share for people who are known
    account_id: AccountId | None = None


@dataclass(slots=True)
class _Taken:
    listeners: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)
    accounts: dict[AccountId, int] = field(default_factory=dict)
    known: int = 0


def says_who(
    networks: Iterable[Network], gateways: Collection[object] = ()
) -> Callable[[str], bool]:
    """Is this the address of who connects?  Not of trusted networks, nor of gateways."""
    trusted = tuple(networks)

    @lru_cache(maxsize=8192)  # asked for each message
    def ask(peer: str) -> bool:
        address = parse_ip(peer)
        return address not in gateways and not any(address in network for network in trusted)

    return ask


def _change(counts: dict[str, int], key: str, by: int) -> None:
    count = counts.get(key, 0) + by
    if count > 0:
        counts[key] = count
    else:
        counts.pop(key, None)


class Seats:
    """Of one process."""

    def __init__(
        self,
        settings: ConnectionsSettings,
        *,
        most: int,
        listeners: Sequence[str],
        board: PeersBoard,
        says_who: Callable[[str], bool] = lambda _peer: True,
        is_known: Callable[[str], bool] = lambda _peer: False,
    ) -> None:
        """most: places.  says_who: may this address be counted?

        is_known: did people sign in from this address's block lately?  Asked only of who would
        be refused without.
        """
        self._settings = settings
        self._most = most
        self._names = tuple(listeners)
        self._listener_share = most // LISTENER_SHARE if len(self._names) > 1 else 0
        self._known_share = most // KNOWN_SHARE
        self._board = board
        self._says_who = says_who
        self._is_known = is_known
        self._seats: dict[Seat, None] = {}
        self._taken = _Taken()
        self._victims: list[Seat] = []
        self._search_at_s = 0.0

    def __len__(self) -> int:
        return len(self._seats)

    def admit(
        self, guest: SeatedConnection, *, listener: str, peer: str, now_s: float
    ) -> Seat | Refusal:
        """A place, to be given back with `leave`."""
        blocks = self._blocks(peer)
        known: bool | None = None if blocks else True
        if blocks and self._holds_too_many(blocks, self._settings.per_block):
            known = self._is_known(peer)
            if not known or self._holds_too_many(blocks, self._settings.per_known_block):
                return Refusal.TOO_MANY_FROM_THERE
        if not self._has_room(listener, is_known=bool(known)):
            known = self._is_known(peer) if known is None else known
            if not (known and self._has_room(listener, is_known=True)) and not self._make_room(
                blocks, now_s
            ):
                return Refusal.FULL
        seat = Seat(guest=guest, listener=listener, blocks=blocks, is_known=bool(known))
        self._count(seat, 1)
        return seat

    def sign_in(self, seat: Seat, account_id: AccountId) -> None:
        """Count it by account, if that has not too many already."""
        count = self._taken.accounts.get(account_id, 0)
        if seat not in self._seats or seat.account_id is not None:
            return
        if count >= self._settings.per_account:
            return
        self._count_blocks(seat, -1)
        seat.account_id, seat.blocks = account_id, None
        self._taken.accounts[account_id] = count + 1
        if not seat.is_known:
            seat.is_known = True
            self._taken.known += 1

    def leave(self, seat: Seat) -> None:
        """Said twice, it is no matter."""
        if seat in self._seats:
            self._count(seat, -1)

    # --- counting -------------------------------------------------------------------

    def _blocks(self, peer: str) -> tuple[str, str] | None:
        if not peer or not self._says_who(peer):
            return None
        limits = self._settings
        narrow = block_of(peer, limits.ipv4_bits, limits.ipv6_bits)
        wide = block_of(peer, limits.wide_ipv4_bits, limits.wide_ipv6_bits)
        return (narrow, wide) if narrow else None

    def _holds_too_many(self, blocks: tuple[str, str], most: int) -> bool:
        narrow, wide = blocks
        if self._holds(narrow) >= most:
            return True
        factor = self._settings.wide_factor
        return wide != narrow and self._holds(wide) >= most * factor

    def _holds(self, block: str) -> int:
        return self._taken.blocks.get(block, 0) + self._board.others(block)

    def _count(self, seat: Seat, by: int) -> None:
        if by > 0:
            self._seats[seat] = None
        else:
            del self._seats[seat]
        _change(self._taken.listeners, seat.listener, by)
        self._taken.known += by * seat.is_known
        self._count_blocks(seat, by)
        account_id = seat.account_id
        if account_id is not None and by < 0:
            left = self._taken.accounts.get(account_id, 0) - 1
            if left > 0:
                self._taken.accounts[account_id] = left
            else:
                self._taken.accounts.pop(account_id, None)

    def _count_blocks(self, seat: Seat, by: int) -> None:
        for block in dict.fromkeys(seat.blocks or ()):
            _change(self._taken.blocks, block, by)
            self._board.add(block, by)

    # --- room -----------------------------------------------------------------------

    def _has_room(self, listener: str, *, is_known: bool) -> bool:
        """Beyond what is kept for others."""
        taken = self._taken
        kept = sum(
            max(0, self._listener_share - taken.listeners.get(name, 0))
            for name in self._names
            if name != listener
        )
        if not is_known:
            kept += max(0, self._known_share - taken.known)
        return self._most - len(self._seats) > kept

    def _make_room(self, blocks: tuple[str, str] | None, now_s: float) -> bool:
        """Did somebody go?"""
        own = 0 if blocks is None else self._taken.blocks.get(blocks[0], 0)
        seat = self._next_victim(own, now_s)
        if seat is None:
            if now_s < self._search_at_s:
                return False
            self._search_at_s = now_s + LOOK_AGAIN_S
            self._victims = self._find_victims(now_s)
            seat = self._next_victim(own, now_s)
        if seat is None:
            return False
        self.leave(seat)
        seat.guest.make_room()
        return True

    def _next_victim(self, own: int, now_s: float) -> Seat | None:
        """The first of those found that may go now; those that have gone are dropped."""
        self._victims = [seat for seat in self._victims if seat in self._seats]
        for number in range(len(self._victims) - 1, -1, -1):
            if self._may_go(self._victims[number], own, now_s):
                return self._victims.pop(number)
        return None

    def _may_go(self, seat: Seat, own: int, now_s: float) -> bool:
        idle_s = seat.guest.idle_s(now_s)
        if idle_s is None or seat.account_id is not None:
            return False
        return self._size_of(seat) > own + 1 or idle_s >= LONG_IDLE_S

    def _size_of(self, seat: Seat) -> int:
        """Of its block; nothing where the address does not say who connects."""
        return 0 if seat.blocks is None else self._taken.blocks.get(seat.blocks[0], 0)

    def _find_victims(self, now_s: float) -> list[Seat]:
        """Who may go, the first of them last: idle for longest, and before them the largest."""
        idle = [
            (self._size_of(seat), idle_s, seat)
            for seat in self._seats
            if seat.account_id is None and (idle_s := seat.guest.idle_s(now_s)) is not None
        ]
        longest = sorted(idle, key=lambda one: one[1])[-MAX_VICTIMS:]
        largest = sorted(idle, key=lambda one: one[:2])[-MAX_VICTIMS:]
        return [seat for *_, seat in (*longest, *largest)]
