"""`mailbox removed` and `restore`, typed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.cli.mailbox import removed as mailbox_removed
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.mail import RemovedBy
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Removal
from mailserver.values.ids import MailboxId, Uid
from tests.cli.conftest import Run, Said
from tests.store.letters import accept, letter_to, uids_of, unique_ids_of

DAY_S = 86_400.0


class Desk:
    """A mailbox with five messages, of which 1 to 3 were removed, and somebody who types."""

    def __init__(self, settings_file: Path, run: Run) -> None:
        self.settings_file = settings_file
        self._run = run
        self.store: Store = open_store(load_settings(settings_file, {}))
        account = self.store.accounts.find_account("postmaster")
        assert account is not None
        self.account_id, self.box = account.account_id, MailboxId(account.inbox_id)
        self.now_s = time.time()
        accept(self.store.writes, *(letter_to(self.box) for _ in range(5)))
        self.remove(1, at_s=self.now_s - 2 * DAY_S)
        self.remove(2, 3, at_s=self.now_s - 60)

    def remove(self, *uids: int, at_s: float) -> None:
        by = RemovedBy("pop3s", "192.0.2.7", "pnoir")
        wanted = tuple(map(Uid, uids))
        self.store.writes.apply(
            [Removal(mailbox_id=self.box, uids=wanted, removed_at_s=at_s, by=by)]
        )

    def typed(self, *words: str) -> Said:
        return self._run("mailbox", *words, "--config", self.settings_file)


@pytest.fixture
def desk(service: Path, run: Run) -> Iterator[Desk]:
    desk = Desk(service, run)
    yield desk
    desk.store.close()


def test_removed_says_who_when_until_when_and_what(desk: Desk) -> None:
    said = desk.typed("removed", "postmaster")
    assert said.status == 0
    assert [line.split()[0] for line in said.out.splitlines()] == ["3", "2", "1"]
    assert "pop3s pnoir [192.0.2.7]" in said.out
    assert "essai" in said.out
    lines = desk.typed("removed", "postmaster", "--json").out.splitlines()
    facts = [json.loads(line) for line in lines]
    assert [one["uid"] for one in facts] == [3, 2, 1]
    assert (facts[0]["door"], facts[0]["peer"], facts[0]["by"]) == ("pop3s", "192.0.2.7", "pnoir")
    assert facts[0]["removed_at"] < facts[0]["until"]


def test_removed_can_be_narrowed(desk: Desk) -> None:
    assert len(desk.typed("removed", "postmaster", "--since", "1d").out.splitlines()) == 2
    assert len(desk.typed("removed", "postmaster", "--since", "2000-01-01").out.splitlines()) == 3
    said = desk.typed("removed", "postmaster", "--limit", "1")
    assert len(said.out.splitlines()) == 1
    assert "more than 1" in said.err


@pytest.mark.parametrize(
    ("words", "back"),
    [(("2",), [2]), (("1", "3"), [1, 3]), (("--all",), [1, 2, 3]), (("--since", "1h"), [2, 3])],
)
def test_restore_puts_back_what_was_named(
    desk: Desk, words: tuple[str, ...], back: list[int]
) -> None:
    before = unique_ids_of(desk.store, desk.box)
    said = desk.typed("restore", "postmaster", *words)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"{len(back)} message")
    assert uids_of(desk.store, desk.box) == sorted([4, 5, *back])
    assert set(before) < set(unique_ids_of(desk.store, desk.box))
    (event, *_) = desk.store.people.history(desk.account_id, limit=1)
    assert (event.what, event.details.split()[0]) == ("put back", str(len(back)))


def test_as_new_gives_other_unique_ids(desk: Desk) -> None:
    desk.typed("restore", "postmaster", "--all")
    first = unique_ids_of(desk.store, desk.box)
    desk.remove(1, at_s=desk.now_s)
    assert desk.typed("restore", "postmaster", "1", "--as-new").status == 0
    assert uids_of(desk.store, desk.box) == [1, 2, 3, 4, 5]
    again = unique_ids_of(desk.store, desk.box)
    assert again[0] not in first
    assert again[1:] == first[1:]


def test_what_is_not_among_the_removed_is_said(desk: Desk) -> None:
    said = desk.typed("restore", "postmaster", "2", "4", "99")
    assert said.status == 0
    assert "not among the removed: 4, 99" in said.err
    assert uids_of(desk.store, desk.box) == [2, 4, 5]
    said = desk.typed("restore", "postmaster", "2")
    assert said.status == 1
    assert "nothing was put back" in said.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "write UIDs"),
        (("1", "--all"), "write UIDs"),
        (("--all", "--since", "2h"), "write UIDs"),
        (("--since", "yesterday"), "'yesterday' is no moment"),
        (("0",), "greater than or equal to 1"),
        (("x",), "valid"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    desk: Desk, words: tuple[str, ...], what: str
) -> None:
    said = desk.typed("restore", "postmaster", *words)
    assert said.status == 2
    assert what in said.err
    assert uids_of(desk.store, desk.box) == [4, 5]


def test_an_unknown_account_is_a_mistake(desk: Desk) -> None:
    for command in ("removed", "restore"):
        more = ("--all",) if command == "restore" else ()
        assert desk.typed(command, "nobody", *more).status == 2


def test_restore_waits_for_a_program_that_has_the_mailbox_open(desk: Desk) -> None:
    lock = desk.store.locks.lock_maildrop(desk.box)
    assert lock is not None
    timer = threading.Timer(0.3, lock.release)
    timer.start()
    assert desk.typed("restore", "postmaster", "--all").status == 0
    timer.join()


def test_a_mailbox_that_stays_open_is_left_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_removed, "WAIT_FOR_MAILDROP_S", 0.0)
    lock = desk.store.locks.lock_maildrop(desk.box)
    assert lock is not None
    said = desk.typed("restore", "postmaster", "--all")
    lock.release()
    assert said.status == 1
    assert "has this mailbox open" in said.err
    assert uids_of(desk.store, desk.box) == [4, 5]


def test_a_quota_that_is_passed_by_it_is_said(desk: Desk) -> None:
    text = desk.settings_file.read_text("utf-8")
    desk.settings_file.write_text(
        text + '\n[[classes]]\nname = "default"\nquota_messages = 3\n', "utf-8"
    )
    said = desk.typed("restore", "postmaster", "--all")
    assert said.status == 0
    assert "167 % of the quota" in said.err
