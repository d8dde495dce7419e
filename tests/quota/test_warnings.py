"""One letter at 80 and at 95 %, once per crossing, over a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.quota.classes import Classes
from mailserver.quota.warnings import EVERY_S, QuotaWarner
from mailserver.settings.model import ClassSettings
from mailserver.store.ports.accounts import Account
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Removal
from mailserver.store.sqlite.store import SqliteStore
from mailserver.texts.catalogue import Language
from mailserver.values.ids import Uid
from mailserver.values.organisation import Organisation
from tests.store.letters import NOW_S, accept, letter, person, uids_of
from tests.store.template import put_new_store

ADDRESS = "marot@ac-exemple.fr"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store
    store.close()


def warner(store: Store, *, quota: int = 20, language: Language = "fr") -> QuotaWarner:
    classes = Classes([ClassSettings(name="default", quota_messages=quota)], grace_percent=110)
    organisation = Organisation(hostname="mail.ac-exemple.fr", domain="ac-exemple.fr")
    return QuotaWarner(store, classes, organisation, language, draw=lambda count: b"r" * count)


def fill(store: Store, account: Account, count: int) -> None:
    accept(store.writes, *(letter((ADDRESS, account.inbox_id)) for _ in range(count)))


def test_each_level_is_told_once_and_again_after_it_eased(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    one, told = warner(store), []
    for step, more in enumerate((15, 1, 0, 1, 1, 0)):
        fill(store, account, more)
        told.append(one.step(now_s=NOW_S, clock_s=NOW_S + step * EVERY_S))
    assert told == [0, 1, 0, 0, 1, 0]  # 15, 16, then its letter: 17, 18, 19 and the second one
    assert warner(store).step(now_s=NOW_S, clock_s=NOW_S) == 0
    uids = tuple(map(Uid, uids_of(store, account.inbox_id)))
    store.writes.apply([Removal(mailbox_id=account.inbox_id, uids=uids, removed_at_s=NOW_S)])
    assert warner(store).step(now_s=NOW_S, clock_s=NOW_S) == 0
    fill(store, account, 17)
    assert warner(store).step(now_s=NOW_S, clock_s=NOW_S) == 1


def test_it_looks_now_and_then(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    one = warner(store)
    assert one.step(now_s=NOW_S, clock_s=NOW_S) == 0
    fill(store, account, 17)
    assert one.step(now_s=NOW_S, clock_s=NOW_S + EVERY_S - 1) == 0
    assert one.step(now_s=NOW_S, clock_s=NOW_S + EVERY_S) == 1


def test_a_clock_that_jumped_back_does_not_keep_it_from_looking(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    one = warner(store)
    assert one.step(now_s=NOW_S + 63e6, clock_s=0) == 0
    fill(store, account, 17)
    assert one.step(now_s=NOW_S, clock_s=EVERY_S) == 1


def test_without_a_quota_nobody_is_told(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    fill(store, account, 30)
    assert warner(store, quota=0).step(now_s=NOW_S, clock_s=NOW_S) == 0


def test_who_never_was_near_it_gets_no_row_of_history(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    fill(store, account, 3)
    before = store.people.history(account.account_id, limit=10)
    assert warner(store).step(now_s=NOW_S, clock_s=NOW_S) == 0
    assert store.people.history(account.account_id, limit=10) == before


def test_an_account_without_an_address_is_told_nothing_and_again_when_it_has_one(
    store: SqliteStore,
) -> None:
    account = person(store, "fmarot", addresses=[])
    fill(store, account, 17)
    one = warner(store)
    assert one.step(now_s=NOW_S, clock_s=0.0) == 0
    store.accounts.add_address(account.account_id, ADDRESS, now_s=NOW_S)
    assert one.step(now_s=NOW_S, clock_s=EVERY_S) == 1


def test_the_letter_is_in_the_readers_language(store: SqliteStore) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    fill(store, account, 17)
    warner(store).step(now_s=NOW_S, clock_s=NOW_S)
    message = store.mail.fetch(account.inbox_id, Uid(uids_of(store, account.inbox_id)[-1]))
    assert message is not None
    assert message.octets is not None
    assert b"est remplie =C3=A0 85 %" in message.octets
    assert b"Auto-Submitted: auto-generated" in message.octets
    message.close()


@pytest.mark.parametrize(
    ("own", "of_the_service", "said"),
    [
        ("fr", "en", b"est remplie"),
        ("en", "fr", b"is 85 % full"),
        ("", "fr", b"est remplie"),
        ("", "en", b"is 85 % full"),
        ("de", "en", b"is 85 % full"),
    ],
)
def test_who_has_chosen_a_language_is_told_in_it_and_others_in_the_services(
    store: SqliteStore,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    of_the_service: Language,
    said: bytes,
) -> None:
    account = person(store, "fmarot", addresses=[ADDRESS])
    fill(store, account, 17)
    usages = [replace(one, language=own) for one in store.people.list_usage()]
    monkeypatch.setattr(store.people, "list_usage", lambda: iter(usages))
    warner(store, language=of_the_service).step(now_s=NOW_S, clock_s=NOW_S)
    message = store.mail.fetch(account.inbox_id, Uid(uids_of(store, account.inbox_id)[-1]))
    assert message is not None
    assert message.octets is not None
    assert said in message.octets
    message.close()
