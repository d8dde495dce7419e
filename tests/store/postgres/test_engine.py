"""PostgreSQL's own traps: connections that end, the order of words, text that it cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.writes import Accepted, Failed
from tests.programs import needs_program
from tests.store.letters import letter_to, people, person, uids_of
from tests.store.postgres import cluster, databases
from tests.store.postgres.place import PostgresPlace

pytestmark = needs_program("postgres", place=cluster.find_programs())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PostgresPlace]:
    place = PostgresPlace(str(tmp_path / "store"))
    place.make()
    yield place
    place.leave()


def end_all_connections(place: PostgresPlace) -> None:
    """As a server that is started again does."""
    database = place._database()
    databases.put_away(database)
    with cluster.connect("postgres") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (database,),
        )


def test_who_lost_its_connections_goes_on_with_new_ones(place: PostgresPlace) -> None:
    store = place.open()
    (box,) = people(store, 1)
    assert uids_of(store, box) == []
    lock = store.locks.lock_maildrop(box)
    assert lock is not None
    end_all_connections(place)
    with pytest.raises(StoreUnavailable):
        store.mail.open_maildrop(box)
    with pytest.raises(StoreUnavailable):
        store.writes.apply([letter_to(box)])
    assert isinstance(store.writes.apply([letter_to(box)])[0], Accepted)
    assert uids_of(store, box) == [1]


def test_a_lock_whose_connection_ended_is_free(place: PostgresPlace) -> None:
    store, other = place.open(), place.open()
    (box,) = people(store, 1)
    lock = store.locks.lock_maildrop(box)
    assert lock is not None
    assert other.locks.lock_maildrop(box) is None
    store.locks.close()
    theirs = other.locks.lock_maildrop(box)
    assert theirs is not None
    lock.release()  # of nothing any more
    assert store.locks.lock_maildrop(box) is None


def test_words_are_in_the_order_of_their_octets_whatever_the_server_says(
    place: PostgresPlace,
) -> None:
    store = place.open()
    for identifier in ("été", "etf", "zebre"):
        person(store, identifier, addresses=())
    assert place.rows("SELECT 'été' < 'etf'") == [(True,)]  # the server is French
    found = place.rows("SELECT name FROM account ORDER BY name")
    assert [name for (name,) in found] == ["Etf", "Zebre", "Été"]
    assert place.rows("SELECT lower(name) FROM account WHERE name = ?", ("Été",)) == [("Été",)]


def test_a_sum_is_a_whole_number(place: PostgresPlace) -> None:
    ((found,),) = place.rows("SELECT sum(number) FROM migration")
    assert type(found) is int


@pytest.mark.parametrize("bad", ["\ud800", "nul\0"])
def test_text_that_it_cannot_hold_stands_in_no_row(place: PostgresPlace, bad: str) -> None:
    store = place.open()
    (box,) = people(store, 1)
    assert store.accounts.find_mailbox(bad) is None
    good = letter_to(box)
    wrong = replace(good, reverse_path=bad)
    first, second = store.writes.apply([wrong, letter_to(box)])
    assert isinstance(first, Failed)
    assert isinstance(second, Accepted)
