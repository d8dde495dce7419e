"""Several processes and one board."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.peers.board import MAX_WAITERS, SLOTS, STALE_S, PeersBoard

NOW_S = 5_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board"


def beat(*boards: PeersBoard, now_s: float = NOW_S) -> None:
    for board in boards:
        board.beat(now_s=now_s)


def test_what_the_others_count_is_known_and_ones_own_is_not_among_it(path: Path) -> None:
    one, two, three = (PeersBoard(path, now_s=NOW_S) for _ in range(3))
    beat(one, two, three)
    one.add("198.51.100.0/24", 3)
    two.add("198.51.100.0/24", 4)
    assert three.others("198.51.100.0/24") == 7
    assert one.others("198.51.100.0/24") == 4
    assert three.others("203.0.113.0/24") == 0
    two.add("198.51.100.0/24", -4)
    assert three.others("198.51.100.0/24") == 3


def test_who_is_dead_or_hung_counts_nothing(path: Path) -> None:
    one, two = PeersBoard(path, now_s=NOW_S), PeersBoard(path, now_s=NOW_S)
    one.add("a", 5)
    beat(two)
    assert two.others("a") == 5
    beat(two, now_s=NOW_S + STALE_S)
    assert two.others("a") == 0


def test_a_slot_is_taken_over_empty(path: Path) -> None:
    one, two = PeersBoard(path, now_s=NOW_S), PeersBoard(path, now_s=NOW_S)
    one.add("a", 5)
    one.close()
    three = PeersBoard(path, now_s=NOW_S)
    beat(two, three)
    assert two.others("a") == 0
    three.add("a", 1)
    assert two.others("a") == 1


def test_a_killed_process_frees_its_slot(path: Path) -> None:
    if (pid := os.fork()) == 0:
        PeersBoard(path, now_s=NOW_S).add("a", 5)
        os._exit(0)
    os.waitpid(pid, 0)
    assert [PeersBoard(path, now_s=NOW_S)._slot for _ in range(1)] == [0]


def test_one_process_too_many_is_private(path: Path) -> None:
    boards = [PeersBoard(path, now_s=NOW_S) for _ in range(SLOTS + 1)]
    assert [board.is_shared for board in boards] == [True] * SLOTS + [False]
    boards[-1].add("a", 1)
    beat(*boards)
    assert boards[0].others("a") == 0
    for board in boards:
        board.close()


def test_without_a_folder_it_is_private(tmp_path: Path) -> None:
    for board in (PeersBoard(tmp_path / "not/there", now_s=NOW_S), PeersBoard(None, now_s=NOW_S)):
        board.add("a", 1)
        board.publish([(7, NOW_S)])
        beat(board)
        assert not board.is_shared
        assert board.others("a") == 0
        assert list(board.waiters()) == []


def test_the_file_is_its_owners_and_no_link_is_followed(path: Path, tmp_path: Path) -> None:
    PeersBoard(path, now_s=NOW_S)
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not PeersBoard(tmp_path / "link", now_s=NOW_S).is_shared
    assert not (tmp_path / "elsewhere").exists()


def test_who_waits_is_seen_by_the_others_only(path: Path) -> None:
    one, two = PeersBoard(path, now_s=NOW_S), PeersBoard(path, now_s=NOW_S)
    beat(one, two)
    one.publish([(7, 10.5), (9, 11.0)])
    assert list(two.waiters()) == [(7, 10.5), (9, 11.0)]
    assert list(one.waiters()) == []
    one.publish([])
    assert list(two.waiters()) == []


def test_more_waiters_than_have_room_are_not_shown(path: Path) -> None:
    one, two = PeersBoard(path, now_s=NOW_S), PeersBoard(path, now_s=NOW_S)
    beat(one, two)
    one.publish([(number, 1.0) for number in range(MAX_WAITERS + 5)])
    assert len(list(two.waiters())) == MAX_WAITERS


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5)), max_size=50))
def test_whatever_is_added_a_count_is_never_too_small(added: list[tuple[str, int]]) -> None:
    path = Path(f"/tmp/board-{os.getpid()}")
    one, two = PeersBoard(path, now_s=NOW_S), PeersBoard(path, now_s=NOW_S)
    beat(one, two)
    for key, count in added:
        one.add(key, count)
    for key in "abcdefgh":
        assert two.others(key) >= sum(count for name, count in added if name == key)
    one.close()
    two.close()
    path.unlink()
