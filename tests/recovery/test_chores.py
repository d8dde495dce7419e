"""What the keeper does for passwords: NUMENs are hashed, ends of graces are announced once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailserver.auth.numens import QUICK, SLOW, numen_verifier
from mailserver.keeper.chores import LOWEST_PRIORITY, ChoreThread
from mailserver.recovery.chores import SLICE_COUNT, NumenHasher, Warner
from mailserver.recovery.letters import Post
from mailserver.settings.model import PasswordsSettings, Settings
from mailserver.values.ids import Uid
from mailserver.values.secret import Secret
from tests.recovery.conftest import KEY, NEW, NUMEN, Town
from tests.store.crowd import put
from tests.store.letters import uids_of

DAY_S = 86_400.0
PEOPLE = ("jmarot", "pnoir", "zlamar")


def imported(town: Town, *identifiers: str) -> None:
    for number, identifier in enumerate(identifiers):
        verifier = numen_verifier(f"17E02{number:05}ABC", KEY)
        town.store.accounts.write_credential(
            town.account(identifier), verifier=verifier, must_change=True
        )


def verifier(town: Town, identifier: str) -> str:
    credential = town.store.accounts.read_credential(town.account(identifier))
    assert credential is not None
    assert credential.verifier is not None
    return credential.verifier


def test_numens_are_hashed_in_slices_and_still_open(town: Town) -> None:
    for number in range(SLICE_COUNT):
        town.store.accounts.add_account(
            identifier=f"p{number}", name="x", addresses=[f"p{number}@d.fr"], now_s=1.0
        )
    everybody = (*PEOPLE[1:], *(f"p{number}" for number in range(SLICE_COUNT)))
    imported(town, *everybody)
    hasher = NumenHasher(town.store.recovery)
    assert [hasher.step(), hasher.step(), hasher.step()] == [True, True, False]
    assert hasher.hashed_count == len(everybody) + 1  # the one that is kept for jmarot
    assert all(verifier(town, one).startswith(SLOW) for one in everybody)
    assert town.opens("zlamar", "17e02 00001 abc")
    imported(town, "zlamar")  # the next import is found again
    assert hasher.step()
    assert verifier(town, "zlamar").startswith(SLOW)


def test_the_numen_that_is_kept_for_recovery_is_hashed_too(town: Town) -> None:
    imported(town, "jmarot")
    town.give("jmarot", NEW)
    assert (town.subject("jmarot").numen or "").startswith(QUICK)
    NumenHasher(town.store.recovery).step()
    assert (town.subject("jmarot").numen or "").startswith(SLOW)
    assert town.opens("jmarot", NEW)


def test_a_password_that_is_chosen_while_its_numen_is_hashed_stays(town: Town) -> None:
    imported(town, "jmarot")

    def slow(digits: str, key_name: str) -> str:
        town.give("jmarot", NEW)
        return f"{SLOW}{key_name}$x"

    assert NumenHasher(town.store.recovery).step(slow)
    assert town.opens("jmarot", NEW)


def test_a_keeper_that_must_end_writes_what_it_has(town: Town) -> None:
    imported(town, *PEOPLE)
    answers = iter([True, False])
    hasher = NumenHasher(town.store.recovery, is_wanted=lambda: next(answers))
    assert hasher.step()
    assert hasher.hashed_count == 1
    assert sum(verifier(town, one).startswith(SLOW) for one in PEOPLE) == 1


def settings_of(town: Town) -> Settings:
    return Settings.model_validate({"service": {"domain": "d.fr", "hostname": "mail.d.fr"}})


def test_the_keeper_hashes_at_the_lowest_priority_and_writes_at_its_own(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lest a thread that nothing runs keeps the write turn."""
    imported(town, *PEOPLE)
    seen: set[tuple[str, bool]] = set()

    def noted(what: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any) -> Any:
            priority = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            seen.add((what, priority == LOWEST_PRIORITY))
            return act(*args)

        return noting

    monkeypatch.setattr(town.work, "hash", noted("hash", town.work.hash))
    monkeypatch.setattr(
        town.store.recovery, "replace_numens", noted("write", town.store.recovery.replace_numens)
    )
    chores = ChoreThread(town.store, settings_of(town))
    assert not chores.hash_numens(until_s=time.monotonic() + 60)
    chores.stop()
    assert seen == {("hash", True), ("write", False)}
    assert all(verifier(town, one).startswith(SLOW) for one in PEOPLE)


def test_hashing_lets_the_other_chores_have_their_turn(town: Town) -> None:
    imported(town, *PEOPLE)
    chores = ChoreThread(town.store, settings_of(town))
    assert chores.hash_numens(until_s=0.0)  # one slice, and its time is over
    chores.stop()


# Warnings


class Watch:
    """A first password of jmarot whose grace ends in 30 days, and the keeper's warner."""

    def __init__(self, town: Town, rules: PasswordsSettings | None = None) -> None:
        self.town = town
        imported(town, "jmarot")
        self.rules = rules or PasswordsSettings()
        credential = town.store.accounts.read_credential(town.account("jmarot"))
        assert credential is not None
        self.ends_at_s = town.clock.now_s + self.rules.grace_days * DAY_S
        town.store.recovery.start_grace(
            town.account("jmarot"), version=credential.version, until_s=self.ends_at_s
        )
        self.post = Post(town.store, settings_of(town))

    def warned(self, *, days_left: float) -> int:
        """How many are warned at this moment; the warner of another process each time."""
        warner = Warner(self.town.store, self.post, self.rules, "fr")
        return warner.step(now_s=self.ends_at_s - days_left * DAY_S)

    def letters(self) -> list[str]:
        inbox_id = self.town.subject("jmarot").inbox_id
        uids = map(Uid, uids_of(self.town.store, inbox_id))
        found = [self.town.store.mail.fetch(inbox_id, uid) for uid in uids]
        return [one.octets.decode() for one in found if one is not None and one.octets is not None]


def test_a_grace_that_ends_is_announced_once_at_each_of_the_days(town: Town) -> None:
    watch = Watch(town)
    told = [watch.warned(days_left=days) for days in (29, 8, 7, 6.9, 3, 1, 0.9, 0.1)]
    assert told == [0, 0, 0, 1, 0, 0, 1, 0]
    assert len(watch.letters()) == 2
    assert "Votre premier mot de passe" in watch.letters()[0].replace("_", " ")
    assert "Auto-Submitted: auto-generated" in watch.letters()[0]


def test_only_the_latest_warning_is_sent_after_a_long_silence(town: Town) -> None:
    watch = Watch(town)
    assert [watch.warned(days_left=days) for days in (0.5, 0.4)] == [1, 0]


def test_who_chose_a_password_is_not_warned(town: Town) -> None:
    watch = Watch(town)
    town.give("jmarot", NEW)
    assert watch.warned(days_left=6) == 0


def test_nobody_is_warned_of_what_is_over(town: Town) -> None:
    watch = Watch(town)
    assert watch.warned(days_left=-1) == 0
    assert watch.letters() == []


def test_a_crash_between_the_letter_and_its_note_sends_no_second(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(town)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(town.store.recovery, "mark_warned", dies)
        with pytest.raises(KeyboardInterrupt):
            watch.warned(days_left=6)
    watch.warned(days_left=6)
    assert len(watch.letters()) == 1


def test_a_warning_is_in_the_accounts_language(town: Town) -> None:
    doc = town.store.people.find_doc("jmarot")
    assert doc is not None
    assert put(town.store, doc, replace(doc, language="en")) is None
    watch = Watch(town)
    watch.warned(days_left=6)
    assert "Your_first_password" in watch.letters()[0].replace(" ", "_")


# Nothing of a NUMEN is written


def test_no_numen_is_in_the_store_its_journals_or_the_log(town: Town, tmp_path: Path) -> None:
    """At each stage: imported, used, hashed, changed, recovered."""
    numen = "13E0987654XYZ"
    forms = [numen, numen.lower(), numen.encode().hex(), numen[:10]]

    def search() -> None:
        written = [one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()]
        assert any(b"jmarot" in octets for octets in written)
        for form in forms:
            assert not any(form.encode() in octets for octets in written), form
            assert form not in town.log.getvalue()

    verifier_of_numen = numen_verifier(numen, KEY)
    account_id = town.account("jmarot")
    town.store.accounts.write_credential(account_id, verifier=verifier_of_numen, must_change=True)
    search()
    assert town.opens("jmarot", numen)
    search()
    NumenHasher(town.store.recovery).step()
    town.give("jmarot", NEW)
    search()
    code = town.handed_code()
    town.service.reset("jmarot", code, Secret("une autre phrase"), numen=Secret(numen.lower()))
    search()
    assert NUMEN not in town.log.getvalue()
