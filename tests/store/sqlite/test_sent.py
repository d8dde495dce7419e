"""Counts of what was sent: they slide, and are each account's own."""

from __future__ import annotations

from pathlib import Path

import apsw
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.ports.shared.sending import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    SLOT_S,
    TEN_HOURS_S,
    TEN_MINUTES_S,
    Sent,
)
from mailserver.store.sql.counters.sent import SCHEMA, SqlSent
from mailserver.store.sql.dialect import SQLITE
from mailserver.store.sql.engine import Parameters, Row
from mailserver.store.sqlite.scratch import SqliteScratch
from mailserver.values.ids import AccountId

JEAN, MARIE = AccountId(1), AccountId(2)
START_S = 1_795_000_200.0  # the beginning of a slot


class Rows:
    """Tables of their own; or none, and then nothing answers."""

    dialect = SQLITE

    def __init__(self, *, answers: bool = True) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.execute(SQLITE.schema(SCHEMA))
        self._answers = answers

    def execute(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        return self.connection.execute(statement, parameters).fetchall() if self._answers else []


def counts() -> SqlSent:
    return SqlSent(Rows())


@given(st.lists(st.integers(0, int(DAY_S)), min_size=1, max_size=30).map(sorted))
def test_every_window_slides_by_slots(offsets_s: list[int]) -> None:
    sent = counts()
    found = Sent()
    for offset_s in offsets_s:
        found = sent.count_sent(JEAN, ["a", "b"], meets=False, now_s=START_S + offset_s)
    last = (START_S + offsets_s[-1]) // SLOT_S
    slots = [(START_S + one) // SLOT_S for one in offsets_s]

    def within(window_s: int) -> int:
        return sum(last - slot < window_s // SLOT_S for slot in slots)

    assert found.hour_messages == within(HOUR_S)
    assert found.day_messages == within(DAY_S)
    assert found.day_recipients == 2 * found.day_messages
    assert found.minute_recipients == 2 * within(MINUTE_S)
    assert found.ten_minutes_recipients == 2 * within(TEN_MINUTES_S)
    assert found.hour_recipients == 2 * within(HOUR_S)
    assert found.ten_hours_recipients == 2 * within(TEN_HOURS_S)


def test_a_recipient_is_new_once() -> None:
    sent = counts()
    assert sent.count_sent(JEAN, ["a", "b"], meets=True, now_s=START_S).day_new_recipients == 2
    assert sent.count_sent(JEAN, ["b", "c"], meets=True, now_s=START_S).day_new_recipients == 3
    assert sent.count_sent(MARIE, ["a"], meets=True, now_s=START_S).day_new_recipients == 1


def test_all_workers_count_together(tmp_path: Path) -> None:
    workers = [SqliteScratch(tmp_path / "scratch.db") for _ in range(3)]
    try:
        for worker in workers * 4:
            found = worker.sent.count_sent(JEAN, ["a"], meets=True, now_s=START_S)
        assert (found.hour_messages, found.day_new_recipients) == (12, 1)
        told = [worker.sent.begin_over_limit(JEAN, now_s=START_S) for worker in workers]
        assert told == [True, False, False]
    finally:
        for worker in workers:
            worker.close()


def test_slots_that_are_over_go(tmp_path: Path) -> None:
    rows = Rows()
    sent = SqlSent(rows)
    for day in range(3):
        sent.count_sent(JEAN, ["a"], meets=False, now_s=START_S + day * DAY_S)
    assert rows.execute("SELECT count(*) FROM sent") == [(1,)]


def test_it_is_over_its_limit_once_until_it_is_forgotten() -> None:
    sent = counts()
    assert [sent.begin_over_limit(JEAN, now_s=START_S) for _ in range(2)] == [True, False]
    assert sent.over_limit() == {JEAN: START_S}
    sent.forget_sent(JEAN)
    assert sent.over_limit() == {}
    assert sent.begin_over_limit(JEAN, now_s=START_S)


def test_a_scratch_that_does_not_answer_counts_nothing() -> None:
    silent = SqlSent(Rows(answers=False))
    assert silent.count_sent(JEAN, ["a"], meets=True, now_s=START_S) == Sent()


def test_reports_are_counted_for_each_address_and_day() -> None:
    sent = counts()
    assert [sent.count_report("srs0=a", now_s=START_S) for _ in range(3)] == [1, 2, 3]
    assert sent.count_report("srs0=b", now_s=START_S) == 1
    assert sent.count_report("srs0=a", now_s=START_S + DAY_S) == 1
