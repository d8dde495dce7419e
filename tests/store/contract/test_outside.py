"""Which addresses the directory holds at domains that are not ours, and whose."""

from __future__ import annotations

import pytest

from mailserver.store.outside import NOBODY_OUTSIDE, Outside, outside_warning
from mailserver.store.ports.store import Store
from mailserver.store.sql.people import outside as sql_outside
from tests.store.letters import NOW_S, person
from tests.store.places import Place


def test_who_is_at_home_is_not_outside(store: Store) -> None:
    person(store, "marie", addresses=["marie@a.test", "marie@b.test"])
    assert store.people.find_outside(["a.test", "b.test"]) == NOBODY_OUTSIDE
    assert outside_warning(NOBODY_OUTSIDE) is None


def test_domains_are_counted_and_who_has_no_other_address(store: Store, place: Place) -> None:
    person(store, "marie", addresses=["marie@a.test", "marie@old.test"])
    person(store, "pierre", addresses=["pierre@old.test", "p@older.test"])
    person(store, "none", addresses=[])
    place.write(
        "INSERT INTO address (address_key, address, list_id, position)"
        " VALUES ('liste@old.test', 'liste@old.test', 1, 0)"
    )
    found = store.people.find_outside(["a.test"])
    assert dict(found.domains) == {"old.test": 3, "older.test": 1}
    assert (found.account_count, found.list_count) == (1, 1)
    warning = outside_warning(found)
    assert warning is not None
    for words in ("4 addresses", "1 account has no other", "old.test, older.test", "451 4.3.5"):
        assert words in warning


def test_a_domain_that_ends_as_ours_does_is_another_one(store: Store) -> None:
    person(store, "marie", addresses=["marie@xa.test", "x@sub.a.test"])
    assert dict(store.people.find_outside(["a.test"]).domains) == {"xa.test": 1, "sub.a.test": 1}


def test_who_was_deleted_is_not_counted(store: Store) -> None:
    account = person(store, "marie", addresses=["marie@old.test"])
    store.accounts.delete_account(account.account_id, now_s=NOW_S)
    assert store.people.find_outside(["a.test"]) == NOBODY_OUTSIDE


def test_more_than_one_slice_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_outside, "_SLICE", 2)
    addresses = [f"a{number}@{'old' if number % 2 else 'a'}.test" for number in range(11)]
    person(store, "marie", addresses=addresses)
    assert store.people.find_outside(["a.test"]) == Outside({"old.test": 5}, 0, 0)


def test_what_was_ours_and_by_whom_is_kept(store: Store) -> None:
    store.people.note_served(["a.test", "b.test"], principal="a.test")
    store.people.note_served(["a.test", "b.test"], principal="a.test")
    store.people.note_served(["c.test"], principal="c.test")
    served = {("a.test", "a.test"), ("b.test", "a.test"), ("c.test", "c.test")}
    assert store.people.find_outside(["c.test"]) == Outside({}, 0, 0, frozenset(served))
