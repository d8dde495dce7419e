"""`account show`: life, sign-in, and why not, in words and for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mailserver.auth.throttle import ANYWHERE
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.store import Store
from tests.cli.conftest import Run
from tests.cli.test_directory_people import school, typed

pytestmark = pytest.mark.slow
__all__ = ["school"]  # the fixture
DAY_S = 86_400.0


@contextmanager
def store_of(school: Path) -> Iterator[Store]:
    store = open_store(load_settings(school, {}))
    try:
        yield store
    finally:
        store.close()


def shown(run: Run, school: Path, identifier: str = "jmartin") -> tuple[str, dict[str, Any]]:
    words = typed(run, school, "account", "show", identifier).out
    return words, json.loads(typed(run, school, "account", "show", identifier, "--json").out)


def test_somebody_who_is_there_and_never_signed_in(run: Run, school: Path) -> None:
    said, facts = shown(run, school)
    for line in (
        "state       active",
        "sign-in     yes",
        "password    the NUMEN, a first password",
    ):
        assert line in said
    assert "log-in      never yet" in said
    assert "mailbox     0 messages, 0 octets" in said
    assert (facts["state"], facts["life"], facts["may_sign_in"]) == ("active", "present", True)
    assert (facts["password"], facts["why_not"]) == ("numen", [])


def test_somebody_who_left_is_not_called_active(run: Run, school: Path) -> None:
    typed(run, school, "directory", "retire", "jmartin", "--on", "2020-01-01")
    said, facts = shown(run, school)
    assert "state       left" in said
    assert "sign-in     no" in said
    assert "why not     left since " in said
    assert ", then gone" in said
    assert (facts["state"], facts["life"], facts["may_sign_in"]) == ("left", "left", False)
    listed = typed(run, school, "account", "list").out
    (line,) = (one for one in listed.splitlines() if one.startswith("jmartin"))
    assert " left " in line


def test_the_last_day_is_the_one_that_was_typed(run: Run, school: Path) -> None:
    told = typed(run, school, "directory", "retire", "jmartin", "--on", "2090-12-31").out
    assert told == "jmartin: leaving until 2090-12-31\n"
    said, facts = shown(run, school)
    assert "last day 2090-12-31, then left" in said
    assert facts["may_sign_in"]
    typed(run, school, "directory", "return", "jmartin")
    told = typed(run, school, "directory", "leave", "jmartin", "--until", "2090-02-28").out
    assert told == "jmartin: on leave until 2090-02-28\n"
    assert "last day 2090-02-28, then present" in shown(run, school)[0]


def test_a_suspension_says_since_when_and_by_whom(run: Run, school: Path) -> None:
    typed(run, school, "account", "suspend", "jmartin")
    said, facts = shown(run, school)
    assert "state       suspended" in said
    assert "why not     suspended since " in said
    assert " by cli:" in facts["why_not"][0]
    assert facts["is_suspended"]
    assert facts["life"] == "present"


def test_a_first_password_that_ended_is_told_where_they_end(run: Run, school: Path) -> None:
    with store_of(school) as store:
        account = store.accounts.find_account("jmartin")
        assert account is not None
        credential = store.accounts.read_credential(account.account_id)
        assert credential is not None
        until_s = time.time() - 1
        store.recovery.start_grace(account.account_id, version=credential.version, until_s=until_s)
    _, facts = shown(run, school)
    assert facts["may_sign_in"], "they are good for ever by default"
    school.write_text(
        school.read_text("utf-8").replace("#change_first = false", "change_first = true"), "utf-8"
    )
    said, facts = shown(run, school)
    assert not facts["may_sign_in"]
    assert "why not     the first password ended for mail programs at 20" in said


def test_too_many_wrong_passwords_from_anywhere_are_told(run: Run, school: Path) -> None:
    now_s = time.time()
    with store_of(school) as store:
        account = store.accounts.find_account("jmartin")
        assert account is not None
        whose = f"account:{account.account_id}"
        for number in range(70):
            store.counters.note_failure(
                [(ANYWHERE, whose)], f"{number:016x}", now_s=now_s, since_s=now_s - 3600
            )
    said, facts = shown(run, school)
    assert "why not     too many wrong passwords: waits until " in said
    assert not facts["may_sign_in"]


def test_each_kind_of_password_has_its_word(run: Run, school: Path) -> None:
    assert shown(run, school, "0170705z")[1]["password"] == "none"
    function = ("directory", "function", "add", "tice", "--name", "TICE", "--address", "t@a.test")
    typed(run, school, *function)
    said, facts = shown(run, school, "tice")
    assert "password    none: its holders sign in as themselves" in said
    assert facts["kind"] == "function"
    run(
        *("password", "reset", "pnoir", "--config", school),
        stdin=b"une phrase de passe\n",
    )
    assert shown(run, school, "pnoir")[1]["password"] == "first"
    run(
        *("account", "passwd", "pnoir", "--password-stdin", "--config", school),
        stdin=b"une autre phrase\n",
    )
    assert shown(run, school, "pnoir")[1]["password"] == "set"


def test_an_account_whose_import_was_undone_says_so_and_what_brings_it_back(
    run: Run, school: Path
) -> None:
    typed(run, school, "directory", "undo", "1", "--yes")
    said, facts = shown(run, school)
    assert "state       gone" in said
    assert "sign-in     no" in said
    (reason,) = facts["why_not"]
    assert reason.startswith("gone since ")
    assert "import 1 was taken back (`directory undo 1`); names kept until 20" in reason
    assert reason.endswith(
        "Apply the import again, corrected, and the account comes back with its mailbox"
    )
    assert "password    kept, and opens nothing while the account is gone" in said
    _, establishment = shown(run, school, "0170705z")
    assert len(establishment["why_not"]) == 1
    folder = school.parent
    again = ("directory", "apply", folder / "units.csv", folder / "people.csv")
    typed(run, school, *again, "--out", folder / "b.plan", "--yes")
    said, facts = shown(run, school)
    assert (facts["state"], facts["may_sign_in"], facts["why_not"]) == ("active", True, [])
    assert "password    the NUMEN, a first password" in said
