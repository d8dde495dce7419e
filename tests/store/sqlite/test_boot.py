"""After a boot nobody gets a number again that somebody may have seen before the power went."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.store.ports import Accepted
from mailserver.store.sql.numbers import GAP
from mailserver.store.sqlite import boot
from mailserver.store.sqlite.store import SqliteStore
from tests.store.letters import letter_to, people, uids_of


@pytest.fixture
def boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "boot_id"
    file.write_text("c0ffee00-0000-4000-8000-000000000001\n")
    monkeypatch.setattr(boot, "BOOT_ID", file)
    return file


def another_boot(boot_id: Path) -> None:
    boot_id.write_text("c0ffee01-0000-4000-8000-000000000001\n")


def accepted(store: SqliteStore, letter: object) -> int:
    (outcome,) = store.apply([letter])  # type: ignore[list-item]
    assert isinstance(outcome, Accepted)
    return outcome.message_id


def test_after_a_boot_numbers_go_on_behind_a_gap(boot_id: Path, tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "store")
    boxes = people(first, 2)
    before = accepted(first, letter_to(*boxes))
    # The power goes; of what came after this, readers may have seen numbers.
    first.close()
    another_boot(boot_id)
    store = SqliteStore(tmp_path / "store")
    assert accepted(store, letter_to(*boxes)) == before + GAP + 1
    for box in boxes:
        assert uids_of(store, box) == [1, 2 + GAP]
    store.close()


def test_without_a_boot_there_is_no_gap(boot_id: Path, tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "store")
    (box,) = people(first, 1)
    accepted(first, letter_to(box))
    first.close()
    for _ in range(2):
        store = SqliteStore(tmp_path / "store")
        accepted(store, letter_to(box))
        store.close()
    store = SqliteStore(tmp_path / "store")
    assert uids_of(store, box) == [1, 2, 3]
    store.close()


def test_who_opens_second_leaves_no_second_gap(boot_id: Path, tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "store")
    (box,) = people(first, 1)
    first.close()
    another_boot(boot_id)
    stores = [SqliteStore(tmp_path / "store") for _ in range(3)]
    accepted(stores[0], letter_to(box))
    assert uids_of(stores[2], box) == [1 + GAP]
    for store in stores:
        store.close()


def test_a_store_of_a_machine_that_does_not_tell_its_boots_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "BOOT_ID", tmp_path / "nothing")
    for _ in range(2):
        store = SqliteStore(tmp_path / "store")
        store.close()
    store = SqliteStore(tmp_path / "store")
    (box,) = people(store, 1)
    accepted(store, letter_to(box))
    assert uids_of(store, box) == [1]
    store.close()
