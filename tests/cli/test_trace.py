"""`mailserver trace`, on a real store: journeys by address, Message-ID and id."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.store.ports.history import Collection
from mailserver.store.sql.history import tracing
from mailserver.values.ids import Uid, accept_id_text
from mailserver.values.message import Deposit, NewCopy
from tests.cli.conftest import Run, Said
from tests.cli.queued import AT_S, WORDS, queue_up, store_of, to_relay, try_once
from tests.cli.test_commands import add, is_mistake
from tests.store.letters import accept, remove

pytestmark = pytest.mark.slow


def trace(run: Run, service: Path, *words: str) -> Said:
    return run("trace", *words, "--config", service)


def send_both_ways(run: Run, service: Path) -> str:
    """One message to marie here, who collects and removes it, and one elsewhere; returns its id."""
    assert add(run, service, "marie", "marie@a.test").status == 0
    whole = to_relay("un@far.test")
    with store_of(service) as store:
        account = store.accounts.find_account("marie")
        assert account is not None
        here = NewCopy(recipient="marie@a.test", route=Deposit(mailbox_id=account.inbox_id))
        whole = replace(whole, copies=(here, *whole.copies))
        accept(store.writes, whole)
        seen = Collection(at_s=AT_S + 60, door="pop3s", peer="192.0.2.9")
        store.history.note_collected(account.inbox_id, [Uid(1)], seen)
        remove(store.writes, account.inbox_id, [1], at_s=AT_S + 120)
    try_once(service, "far.test")
    return accept_id_text(whole.accept_id)


def test_a_journey_is_found_by_id_by_either_address_and_by_message_id(
    run: Run, service: Path
) -> None:
    text = send_both_ways(run, service)
    by_id = trace(run, service, text)
    assert by_id.out.splitlines() == [
        f"{text}  1.essai@pc.a.test",
        "  2023-11-14 04:20:11Z  accepted from a stranger <jean@a.test> [192.0.2.1]",
        "                        on mx, no TLS, 61 octets",
        "  :0 to marie@a.test",
        "    2023-11-14 04:20:11Z  deposited in marie INBOX, uid 1",
        "    2023-11-14 04:21:11Z  collected by marie [192.0.2.9] over pop3s",
        "    2023-11-14 04:22:11Z  removed from the mailbox",
        "  :1 to un@far.test",
        f"    2023-11-14 04:20:13Z  deferred by mx.far.test [192.0.2.25]:25, TLSv1.3: {WORDS}",
        "    waits for far.test, next try 2023-11-14 04:25:13Z",
    ]
    assert trace(run, service, text.upper()).out == by_id.out
    assert trace(run, service, "<1.essai@pc.a.test>").out == by_id.out
    assert trace(run, service, "1.essai@pc.a.test").out == by_id.out
    assert trace(run, service, "Jean@A.Test").out == by_id.out
    to_marie = trace(run, service, "<marie@a.test>").out
    assert "collected by marie" in to_marie
    assert "far.test" not in to_marie
    only = trace(run, service, f"{text}:1").out
    assert ":1 to un@far.test" in only
    assert ":0 to" not in only


def test_the_same_as_json(run: Run, service: Path) -> None:
    text = send_both_ways(run, service)
    (line,) = trace(run, service, text, "--json").out.splitlines()
    facts = json.loads(line)
    assert (facts["id"], facts["message_id"], facts["sender"]) == (
        text,
        "1.essai@pc.a.test",
        "jean@a.test",
    )
    here, away = facts["copies"]
    assert here["collected"][0]["listener"] == "pop3s"
    assert (away["attempts"][0]["words"], away["attempts"][0]["led_to"]) == (WORDS, "queued")
    assert away["waiting"]["due_at"] == "2023-11-14T04:25:13Z"


def test_the_most_recent_come_first_up_to_the_limit(run: Run, service: Path) -> None:
    ids = queue_up(service, *(to_relay("un@far.test") for _ in range(12)))
    newest_first = [accept_id_text(one) for one in reversed(ids)]
    for words, count in (((), 10), (("--limit", "3"), 3), (("--limit", "50"), 12)):
        out = trace(run, service, "un@far.test", *words, "--json").out
        assert [json.loads(line)["id"] for line in out.splitlines()] == newest_first[:count]


def test_nothing_found_is_one_line_and_status_1(run: Run, service: Path) -> None:
    for wanted in ("nobody@far.test", "<no@id>", "a" * 24, "\x1b[2J"):
        said = trace(run, service, wanted)
        assert (said.status, said.out) == (1, "")
        assert said.err.startswith("nothing about ")
        assert "\x1b" not in said.err


def test_what_is_not_indexed_yet_is_said(
    run: Run, service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "UNINDEXED_LIMIT", 1)
    queue_up(service, to_relay("un@far.test"), to_relay("deux@far.test"))
    said = trace(run, service, "deux@far.test")
    assert said.status == 0
    assert said.err == "1 older messages are not indexed yet: try again in a moment\n"


def test_mistakes_are_one_line(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test"))
    assert is_mistake(trace(run, service, " "), "write an address, a Message-ID or an id")
    wrong = trace(run, service, f"{accept_id_text(accept_id)}:7")
    assert is_mistake(wrong, "this message has 1 copy, and none is 7")
