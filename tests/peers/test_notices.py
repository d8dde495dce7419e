"""How many lines a peer can cause."""

from __future__ import annotations

from typing import Any

from mailserver.peers.notices import (
    ALL_LINES,
    BLOCK_LINES,
    MAX_BLOCKS,
    WINDOW_S,
    NoticeRepeats,
    Notices,
)


class ListLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def make() -> tuple[Notices, ListLog, Clock]:
    log, clock = ListLog(), Clock()
    kept: Any = log
    return Notices(kept, clock_s=clock), log, clock


def test_a_block_gets_so_many_lines_and_then_one_with_a_number() -> None:
    notices, log, clock = make()
    allowed = [notices.allows(f"198.51.100.{n % 250}") for n in range(1000)]
    assert sum(allowed) == BLOCK_LINES
    assert notices.allows("203.0.113.9")
    clock.now_s += WINDOW_S
    notices.sweep()
    assert log.lines == [
        (
            "lines about one block of addresses left out",
            {"block": "198.51.100.0/24", "lines": 1000 - BLOCK_LINES},
        )
    ]
    assert notices.allows("198.51.100.1")


def test_all_blocks_together_get_so_many_lines_and_then_one_with_a_number() -> None:
    notices, log, clock = make()
    peers = [f"10.{n >> 8}.{n & 255}.1" for n in range(ALL_LINES + 7)]
    assert sum(map(notices.allows, peers)) == ALL_LINES
    clock.now_s += WINDOW_S - 1
    notices.sweep()
    assert not log.lines
    clock.now_s += 1
    notices.sweep()
    assert log.lines == [("lines about many blocks of addresses left out", {"lines": 7})]
    clock.now_s += WINDOW_S
    notices.sweep()
    assert len(log.lines) == 1


def test_one_who_changes_addresses_within_a_site_is_one_block() -> None:
    notices, _, _ = make()
    allowed = [notices.allows(f"2001:db8:1:{n:x}::1") for n in range(1000)]
    assert sum(allowed) == BLOCK_LINES


def test_memory_and_lines_are_bounded_whatever_the_number_of_blocks() -> None:
    notices, log, clock = make()
    for n in range(MAX_BLOCKS + 5_000):
        notices.allows(f"{1 + n // 65536}.{n // 256 % 256}.{n % 256}.1")
    assert len(notices._counts) <= MAX_BLOCKS + 1
    clock.now_s += WINDOW_S
    notices.sweep()
    assert len(log.lines) <= 2


def test_a_session_shows_three_of_a_kind_and_counts_the_others() -> None:
    repeats = NoticeRepeats()
    shown = [repeats.is_shown("recipient refused", 550) for _ in range(10)]
    assert shown == [True] * 3 + [False] * 7
    assert repeats.is_shown("recipient refused", 452)
    assert list(repeats.take()) == [("recipient refused", 550, 7)]
    assert list(repeats.take()) == []
