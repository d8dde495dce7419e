"""The scratch's file: garbage in it is moved away, and nobody hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.sqlite.scratch import SqliteScratch
from mailserver.values.ids import AccountId

SEEN = LastSeen(door="pop3", peer="192.0.2.1", at_s=5.0)


def use(scratch: SqliteScratch) -> bool:
    """Every call once; did what was kept come back?"""
    scratch.keep_sign_in(b"digest", now_s=1.0)
    scratch.note_seen(AccountId(1), SEEN)
    scratch.report("smtp-0", {"accepted": 1.0}, now_s=1.0)
    scratch.forget_sign_ins(before_s=0.0)
    return (
        scratch.recall_sign_in(b"digest", now_s=1.0, lifetime_s=10.0)
        and scratch.last_seen(AccountId(1)) == (SEEN,)
        and scratch.read_reports() == {"smtp-0": (1.0, {"accepted": 1.0})}
    )


@pytest.mark.parametrize(
    "garbage", [b"x", b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 8000, bytes(4096)]
)
def test_garbage_is_replaced_by_an_empty_scratch(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "scratch.db"
    path.write_bytes(garbage)
    scratch = SqliteScratch(path)
    use(scratch)
    again = SqliteScratch(path)
    assert use(again)
    scratch.close()
    again.close()


def test_damage_while_it_is_open_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "scratch.db"
    before = SqliteScratch(path)
    assert use(before)
    before.close()
    octets = path.read_bytes()
    path.write_bytes(octets[:100] + b"\xff" * (len(octets) - 100))
    scratch = SqliteScratch(path)
    use(scratch)
    assert use(SqliteScratch(path))
    scratch.close()


def test_one_process_moving_the_garbage_away_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "scratch.db"
    path.write_bytes(b"not a database" * 500)
    late = SqliteScratch(path)
    early = SqliteScratch(path)
    early.keep_sign_in(b"digest", now_s=1.0)  # moved away
    early.keep_sign_in(b"digest", now_s=1.0)
    late._start_anew()  # it saw the same garbage, and comes too late
    assert late.recall_sign_in(b"digest", now_s=1.0, lifetime_s=10.0)
    early.close()
    late.close()


def test_a_scratch_that_cannot_be_is_never_an_error(tmp_path: Path) -> None:
    path = tmp_path / "scratch.db"
    path.mkdir()
    scratch = SqliteScratch(path)
    assert not use(scratch)
    nowhere = SqliteScratch(tmp_path / "no" / "such" / "folder" / "scratch.db")
    assert not use(nowhere)
    scratch.close()
    nowhere.close()


def test_figures_that_are_not_json_are_none(tmp_path: Path) -> None:
    scratch = SqliteScratch(tmp_path / "scratch.db")
    scratch.execute("INSERT INTO report VALUES ('a', 1.0, '{'), ('b', 1.0, '[1]')")
    assert scratch.read_reports() == {"a": (1.0, {}), "b": (1.0, {})}
    scratch.close()


def test_a_closed_scratch_knows_nothing(tmp_path: Path) -> None:
    scratch = SqliteScratch(tmp_path / "scratch.db")
    assert use(scratch)
    scratch.close()
    assert not scratch.recall_sign_in(b"digest", now_s=1.0, lifetime_s=10.0)
