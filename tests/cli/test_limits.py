"""`mailserver limits` and `mailserver usage`, on a store with held mail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.cli.directory.subjects import by_whom
from mailserver.quota.sending import HELD_PREFIX
from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.queue import Lane
from tests.cli.conftest import Run
from tests.cli.queued import store_of, to_relay
from tests.store.crowd import put
from tests.store.letters import accept

NOW_S = 1_795_000_000.0


@pytest.fixture
def held(service: Path, run: Run) -> Path:
    """Jean is over his limit: two copies of his are held, and one of somebody else."""
    words = ("account", "add", "jean", "--address", "jean@a.test", "--name", "Jean")
    said = run(*words, "--password-stdin", "--config", service, stdin=b"correct horse battery\n")
    assert said.status == 0, said.err
    with store_of(service) as store:
        account = store.accounts.find_account("jean")
        assert account is not None
        reason = f"{HELD_PREFIX}jean: 3 messages in an hour, 2 allowed"
        held = to_relay("x@b.test", "y@b.test", held_for=reason)
        accept(
            store.writes,
            replace(held, account_id=account.account_id),
            to_relay("z@b.test", held_for="a rule"),
            to_relay("free@b.test"),
        )
        store.counters.sent.count_sent(account.account_id, ["x@b.test"], meets=False, now_s=NOW_S)
        assert store.counters.sent.begin_over_limit(account.account_id, now_s=NOW_S)
    return service


def held_count(service: Path) -> int:
    with store_of(service) as store:
        return store.queue.count_queue(QueueFilter(lane=Lane.HELD))


def test_who_is_over_a_limit_is_listed(held: Path, run: Run) -> None:
    said = run("limits", "list", "--json", "--config", held)
    assert json.loads(said.out) == {"identifier": "jean", "since_s": NOW_S, "held": 2}
    assert "jean" in run("limits", "list", "--config", held).out


def test_release_lets_go_what_is_theirs_and_counts_anew(held: Path, run: Run) -> None:
    said = run("limits", "release", "jean", "--config", held)
    assert said.out == "jean: 2 copies released, counts begin anew\n"
    assert held_count(held) == 1
    assert run("limits", "list", "--config", held).out == ""
    with store_of(held) as store:
        account = store.accounts.find_account("jean")
        assert account is not None
        assert store.counters.sent.begin_over_limit(account.account_id, now_s=NOW_S)
        sent = store.counters.sent.count_sent(
            account.account_id, ["x@b.test"], meets=False, now_s=NOW_S
        )
        assert sent.day_messages == 1


def test_release_finds_what_was_held_under_another_identifier(held: Path, run: Run) -> None:
    with store_of(held) as store:
        doc = store.people.find_doc("jean")
        assert doc is not None
        assert put(store, doc, replace(doc, identifier="jean2"), at_s=NOW_S) is None
    said = run("limits", "list", "--json", "--config", held)
    assert json.loads(said.out) == {"identifier": "jean2", "since_s": NOW_S, "held": 2}
    said = run("limits", "release", "jean2", "--config", held)
    assert said.out == "jean2: 2 copies released, counts begin anew\n"


def test_release_leaves_what_is_held_of_others(held: Path, run: Run) -> None:
    """Also of who had the identifier before."""
    words = ("account", "add", "anne", "--address", "anne@a.test", "--name", "Anne")
    assert run(*words, "--password-stdin", "--config", held, stdin=b"correct horse\n").status == 0
    said = run("limits", "release", "anne", "--config", held)
    assert said.out == "anne: 0 copies released, counts begin anew\n"
    assert held_count(held) == 3


@pytest.mark.parametrize(("option", "word"), [((), "cancelled"), (("--return",), "returned")])
def test_lock_suspends_and_takes_back(
    held: Path, run: Run, option: tuple[str, ...], word: str
) -> None:
    said = run("limits", "lock", "jean", *option, "--config", held)
    assert said.out == f"jean: suspended, 2 copies {word}\n"
    assert held_count(held) == 1
    with store_of(held) as store:
        account = store.accounts.find_account("jean")
        assert account is not None
        assert account.state is AccountState.SUSPENDED
        (event, *_) = store.people.history(account.account_id, limit=1)
    assert (event.what, event.by_whom) == ("suspended", by_whom())
    assert event.details == "le compte a été bloqué"


def test_lock_takes_back_what_waits_too_where_it_is_asked(held: Path, run: Run) -> None:
    said = run("limits", "lock", "jean", "--all", "--config", held)
    assert said.out == "jean: suspended, 4 copies cancelled\n"
    with store_of(held) as store:
        assert store.queue.count_queue(QueueFilter()) == 0


def test_usage_shows_every_account_and_only_those_over(held: Path, run: Run) -> None:
    said = run("usage", "--json", "--config", held)
    facts = [json.loads(line) for line in said.out.splitlines()]
    assert [one["identifier"] for one in facts] == ["jean", "postmaster"]
    assert (facts[0]["percent"], facts[0]["quota_octets"]) == (0.0, 2048 * 1024 * 1024)
    assert run("usage", "--over", "80", "--config", held).out == ""
    assert "0.0 %" in run("usage", "--config", held).out


def test_usage_says_where_there_is_no_quota(held: Path, run: Run) -> None:
    text = held.read_text("utf-8")
    held.write_text(text.replace("quota_mib = 2048", "quota_mib = 0"), "utf-8")
    (facts, _) = map(json.loads, run("usage", "--json", "--config", held).out.splitlines())
    assert facts["percent"] is None
    assert "no quota" in run("usage", "--config", held).out
