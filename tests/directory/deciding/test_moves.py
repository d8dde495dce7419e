"""What an act or a date does to a person's document, and the keeper's step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mailserver.directory.deciding import moves
from mailserver.directory.deciding.moves import CannotMove
from mailserver.store.ports.people import Life, PersonDoc, PostDoc
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.calendar import UTC_DAYS
from mailserver.values.ids import AccountId
from tests.store.crowd import COLLEGE, SCHOOL, made, put, school, teacher
from tests.store.template import put_new_store

TODAY = date(2026, 11, 24)
NOW_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400.0
LEFT_S = 90 * DAY_S
JEANNE = PersonDoc(
    source_key="id:1",
    identifier="jmartin",
    given_name="Jeanne",
    surname="Martin",
    addresses=("jeanne.martin@a.test",),
    posts=(PostDoc("0170705z", "enseignante"), PostDoc("0170706a", "tutrice")),
    correspondent_of=("0170705z", "0170706a"),
)


def living(life: Life, until_s: float | None = None) -> PersonDoc:
    return replace(JEANNE, life=life, life_until_s=until_s)


def test_a_move_replaces_every_post_and_ends_what_went_with_them() -> None:
    to = PostDoc("0170999k", "directrice")
    moved = moves.move(JEANNE, to=to, leaving="", on=TODAY, calendar=UTC_DAYS, now_s=NOW_S)
    assert moved.posts == (to,)
    assert moved.correspondent_of == ()
    assert moved.addresses == JEANNE.addresses


def test_a_move_from_one_unit_keeps_the_other_posts() -> None:
    to = PostDoc("0170999k", "directrice")
    moved = moves.move(JEANNE, to=to, leaving="0170705Z", on=None, calendar=UTC_DAYS, now_s=NOW_S)
    assert moved.posts == (PostDoc("0170706a", "tutrice"), to)
    assert moved.correspondent_of == ("0170706a",)


def test_a_move_from_where_they_have_no_post_is_refused() -> None:
    with pytest.raises(CannotMove, match="no post in 0179999z"):
        moves.move(
            JEANNE,
            to=PostDoc("x", "y"),
            leaving="0179999z",
            on=None,
            calendar=UTC_DAYS,
            now_s=NOW_S,
        )


def test_a_day_to_come_is_refused_where_it_cannot_be_kept() -> None:
    tomorrow = date(2026, 11, 25)
    with pytest.raises(CannotMove, match="is to come"):
        moves.move(
            JEANNE, to=PostDoc("x", "y"), leaving="", on=tomorrow, calendar=UTC_DAYS, now_s=NOW_S
        )
    with pytest.raises(CannotMove, match="is to come"):
        moves.take_leave(JEANNE, on=tomorrow, until=None, calendar=UTC_DAYS, now_s=NOW_S)


def test_leave_lasts_until_its_last_day_is_over() -> None:
    away = moves.take_leave(
        JEANNE, on=TODAY, until=date(2026, 12, 31), calendar=UTC_DAYS, now_s=NOW_S
    )
    assert away.life is Life.ON_LEAVE
    assert away.life_until_s == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    with pytest.raises(CannotMove, match="is over"):
        moves.take_leave(JEANNE, on=None, until=date(2026, 11, 23), calendar=UTC_DAYS, now_s=NOW_S)


def test_who_retires_is_there_on_the_last_day() -> None:
    leaving = moves.retire(JEANNE, on=TODAY, calendar=UTC_DAYS, now_s=NOW_S, left_s=LEFT_S)
    assert leaving.life is Life.LEAVING
    assert leaving.life_until_s == datetime(2026, 11, 25, tzinfo=UTC).timestamp()


def test_who_left_long_ago_is_left_and_not_gone_at_a_stroke() -> None:
    left = moves.retire(JEANNE, on=date(2020, 1, 1), calendar=UTC_DAYS, now_s=NOW_S, left_s=LEFT_S)
    assert (left.life, left.life_until_s) == (Life.LEFT, NOW_S + LEFT_S)


def test_return_ends_leave_departure_and_absence() -> None:
    for life in (Life.ON_LEAVE, Life.LEAVING, Life.LEFT):
        assert moves.come_back(living(life, NOW_S + 1)) == living(Life.PRESENT)
    with pytest.raises(CannotMove, match="is present"):
        moves.come_back(JEANNE)


def test_arrival_is_now_or_on_its_day() -> None:
    expected = living(Life.EXPECTED, NOW_S + 30 * DAY_S)
    assert moves.arrive(expected, on=TODAY, calendar=UTC_DAYS, now_s=NOW_S) == living(Life.PRESENT)
    later = moves.arrive(expected, on=date(2026, 12, 1), calendar=UTC_DAYS, now_s=NOW_S)
    assert later == living(Life.EXPECTED, datetime(2026, 12, 1, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("life", "becomes", "until_s"),
    [
        (Life.EXPECTED, Life.PRESENT, None),
        (Life.ON_LEAVE, Life.PRESENT, None),
        (Life.LEAVING, Life.LEFT, NOW_S + LEFT_S),
        (Life.LEFT, Life.GONE, None),
        (Life.PRESENT, Life.PRESENT, None),
        (Life.GONE, Life.GONE, None),
    ],
)
def test_what_a_date_does(life: Life, becomes: Life, until_s: float | None) -> None:
    due = living(life, NOW_S)
    assert moves.next_step(due, now_s=NOW_S, left_s=LEFT_S) == living(becomes, until_s)
    early = living(life, NOW_S + 1)
    assert moves.next_step(early, now_s=NOW_S, left_s=LEFT_S) == early


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """With the two schools of Jeanne."""
    with closing(SqliteStore(put_new_store(tmp_path / "store"))) as opened:
        made(opened, school(SCHOOL), school(COLLEGE))
        yield opened


def take_steps(store: SqliteStore, told: list[str]) -> int:
    return moves.take_steps(
        store.people,
        now_s=NOW_S,
        left_s=LEFT_S,
        quarantine_s=1.0,
        told=lambda doc, conflict: told.append(f"{doc.identifier}: {conflict.words}"),
    )


def test_the_keeper_takes_the_steps_that_are_due(store: SqliteStore) -> None:
    paul = replace(teacher("paul", life=Life.EXPECTED), life_until_s=NOW_S)
    made(store, living(Life.LEFT, NOW_S), paul, teacher("anne"))
    told: list[str] = []
    assert (take_steps(store, told), told) == (2, [])
    gone, present = (store.people.read_person(key) for key in ("id:1", "key-paul"))
    assert gone is not None
    assert gone.life is Life.GONE
    assert present == replace(paul, life=Life.PRESENT, life_until_s=None)
    (event, *_) = store.people.history(account_of(store, "paul"), limit=1)
    assert event.by_whom == "service"
    assert take_steps(store, told) == 0


def test_a_conflict_is_told_and_not_counted(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody calls her back after the keeper has read who is due."""
    made(store, living(Life.LEFT, NOW_S))
    due_lives = store.people.due_lives

    def changed_meanwhile(*, now_s: float, limit: int) -> list[PersonDoc]:
        found = due_lives(now_s=now_s, limit=limit)
        assert put(store, living(Life.LEFT, NOW_S), living(Life.PRESENT)) is None
        return found

    monkeypatch.setattr(store.people, "due_lives", changed_meanwhile)
    told: list[str] = []
    assert take_steps(store, told) == 0
    (said,) = told
    assert said.startswith("jmartin: ")
    assert store.people.read_person("id:1") == living(Life.PRESENT)


def account_of(store: SqliteStore, identifier: str) -> AccountId:
    account = store.accounts.find_account(identifier)
    assert account is not None
    return account.account_id
