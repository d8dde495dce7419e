"""What leaving a list costs: one transaction the first time, no write after that."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mailserver.lists.addresses import addresses_of
from mailserver.store.ports.lists import ListRule
from mailserver.store.ports.people import PostDoc
from mailserver.store.sql.engine import Connection
from mailserver.store.sqlite.engine import SqliteEngine
from mailserver.store.sqlite.store import SqliteStore
from tests.lists.fakes import mailing_list
from tests.store.crowd import SCHOOL, made, school, teacher
from tests.store.letters import person


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_leaving_is_one_transaction_and_again_takes_no_turn_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_by_hand: bool
) -> None:
    """A crash between two would let mail go on that somebody was told is over."""
    store = SqliteStore(tmp_path)
    made(store, school(), teacher("jmarot", posts=(PostDoc(SCHOOL, "enseignant"),)))
    new = mailing_list()
    which = store.lists.add_list(
        new, addresses=addresses_of(new.address), owner=person(store, "chef").account_id
    )
    store.lists.add_rule(which.list_id, ListRule(unit_code=SCHOOL))
    account = store.accounts.find_account("jmarot")
    assert account is not None
    if is_by_hand:
        store.lists.add_member(which.list_id, account_id=account.account_id)

    begun, transaction = [], SqliteEngine.transaction

    def counted(engine: SqliteEngine) -> AbstractContextManager[Connection]:
        begun.append(engine)
        return transaction(engine)

    monkeypatch.setattr(SqliteEngine, "transaction", counted)
    assert store.lists.leave(which.list_id, "by link", account_id=account.account_id) is not None
    assert len(begun) == 1

    monkeypatch.delattr(SqliteEngine, "write_turn")
    assert store.lists.leave(which.list_id, "by link", account_id=account.account_id) is None
    monkeypatch.undo()
    store.close()
