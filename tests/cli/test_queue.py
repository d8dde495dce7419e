"""`mailserver queue`: what waits and why, and what a person does about it, on a real store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mailserver.cli.main import main
from mailserver.cli.queue import acts as queue_acts
from mailserver.cli.queue.words import COPY_COLUMNS, copy_cells, print_rows
from mailserver.store.ports.operators import QueueFilter
from mailserver.values.ids import accept_id_text
from tests.cli.conftest import Run, Said
from tests.cli.queued import WORDS, lease, queue_up, store_of, to_relay, try_once
from tests.cli.test_commands import is_mistake

pytestmark = pytest.mark.slow


class Terminal(io.TextIOWrapper):
    """Somebody who types this."""

    def __init__(self, typed: bytes) -> None:
        super().__init__(io.BytesIO(typed), "utf-8")

    def isatty(self) -> bool:
        return True


def queue(run: Run, service: Path, *words: str) -> Said:
    return run("queue", *words, "--config", service)


def listed(run: Run, service: Path, *words: str) -> list[dict[str, object]]:
    said = queue(run, service, "list", "--json", *words)
    assert said.status == 0, said
    return [json.loads(line) for line in said.out.splitlines()]


def states(run: Run, service: Path, *words: str) -> list[object]:
    return [one["state"] for one in listed(run, service, *words)]


# --- seeing -----------------------------------------------------------------------


def test_an_empty_queue_says_so(run: Run, service: Path) -> None:
    said = queue(run, service, "list")
    assert (said.status, said.out, said.err) == (0, "", "the queue is empty\n")
    said = queue(run, service, "list", "--sender", "a@b")
    assert (said.status, said.out, said.err) == (0, "", "nothing in the queue matches\n")
    assert queue(run, service, "destinations").err == "nothing waits for any destination\n"
    assert listed(run, service) == []


def test_the_list_shows_each_copy_with_its_id_and_why_it_waits(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test", "deux@other.test"))
    try_once(service, "far.test")
    said = queue(run, service, "list")
    first, second = said.out.splitlines()
    text = accept_id_text(accept_id)
    assert first == (
        f"{text}:0  waiting  1  un@far.test  <jean@a.test>  far.test  2023-11-14 04:25:13Z  {WORDS}"
    )
    assert second == f"{text}:1  first  0  deux@other.test  <jean@a.test>  other.test  -  -"
    one = listed(run, service, "--recipient", "UN@FAR.test")[0]
    assert (one["id"], one["copy"], one["last_words"]) == (text, 0, WORDS)
    assert (one["state"], one["destination"], one["attempt_count"]) == ("waiting", "far.test", 1)


def test_the_list_is_narrowed_by_what_a_person_knows(run: Run, service: Path) -> None:
    first, second = queue_up(
        service,
        to_relay("un@far.test", "deux@other.test"),
        to_relay("un@far.test", sender="Élise@école.test", hop="route:smart", held_for="virus?"),
    )
    assert len(listed(run, service)) == 3
    assert len(listed(run, service, accept_id_text(first))) == 2
    assert len(listed(run, service, accept_id_text(first) + ":1")) == 1
    assert len(listed(run, service, accept_id_text(first), accept_id_text(second))) == 3
    assert len(listed(run, service, "--sender", "<elise@xn--cole-9oa.TEST>")) == 1
    assert len(listed(run, service, "--domain", "Far.Test")) == 2
    assert len(listed(run, service, "--to", "far.test")) == 1
    assert len(listed(run, service, "--to", "route:smart", "--state", "held")) == 1
    assert len(listed(run, service, "--limit", "2")) == 2
    assert "1 more" in queue(run, service, "list", "--limit", "2").err


def test_a_terminal_gets_a_table_and_peers_move_no_cursor(run: Run, service: Path) -> None:
    queue_up(service, to_relay("un@far.test"))
    try_once(service, "far.test", words="450 \x1b[2J[red]no[/red]")
    with store_of(service) as store:
        copies = store.queue.list_queue(QueueFilter(), after=None, limit=10)
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    print_rows(COPY_COLUMNS, map(copy_cells, copies), console=console)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    rows = [" ".join(line.split()) for line in told.splitlines()]
    assert rows[0] == "id state from, to, by next try, why"
    assert rows[2].endswith(":0 waiting jean@a.test 2023-11-14 04:25:13Z")
    assert r"\x1b[2J[red]no[/red]" in told
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "\x1b[2J" not in told


def test_json_moves_no_cursor_either(run: Run, service: Path) -> None:
    evil = "450 \x1b[2J \x9b2J \u202e no"
    (accept_id,) = queue_up(service, to_relay("un@far.test"))
    try_once(service, "far.test", words=evil)
    assert listed(run, service)[0]["last_words"] == evil
    for words in (("queue", "list"), ("queue", "show", accept_id_text(accept_id))):
        assert run(*words, "--json", "--config", service).out.rstrip("\n").isprintable()
    assert trace_json(run, service, accept_id_text(accept_id)).rstrip("\n").isprintable()


def trace_json(run: Run, service: Path, wanted: str) -> str:
    return run("trace", wanted, "--json", "--config", service).out


def test_show_tells_the_attempts_of_what_waits(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test", "deux@other.test"))
    try_once(service, "far.test")
    text = accept_id_text(accept_id)
    told = queue(run, service, "show", text).out
    assert f"deferred by mx.far.test [192.0.2.25]:25, TLSv1.3: {WORDS}" in told
    assert "waits for far.test, next try 2023-11-14 04:25:13Z" in told
    assert "waits for other.test, first try is next" in told
    only = json.loads(queue(run, service, "show", f"{text}:1", "--json").out)
    assert [copy["copy"] for copy in only["copies"]] == [1]


def test_show_of_what_is_not_queued_points_to_trace(run: Run, service: Path) -> None:
    said = queue(run, service, "show", "a" * 24)
    assert said.status == 1
    assert f"`mailserver trace {'a' * 24}`" in said.err


def test_destinations_tell_how_many_why_and_when(run: Run, service: Path) -> None:
    queue_up(service, to_relay("un@far.test", "deux@far.test"), to_relay("a@other.test"))
    queue_up(service, to_relay("b@other.test", held_for="wait"))
    try_once(service, "far.test")
    rows = {
        line.split("  ")[0]: line for line in queue(run, service, "destinations").out.split("\n")
    }
    assert rows["far.test"].startswith("far.test  0  2  0  0  2023-11-14 04:25:13Z")
    assert rows["other.test"].startswith("other.test  1  0  0  1  now")
    out = queue(run, service, "destinations", "--json").out
    facts = {one["destination"]: one for one in map(json.loads, out.splitlines())}
    assert (facts["far.test"]["waiting"], facts["other.test"]["held"]) == (2, 1)
    assert not facts["far.test"]["suspended"]


# --- acting on copies -----------------------------------------------------------------


def test_a_copy_is_held_released_and_tried_at_once(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test"))
    try_once(service, "far.test")
    text = accept_id_text(accept_id)
    assert queue(run, service, "hold", text, "--reason", "look first").out == "1 copy held\n"
    (one,) = listed(run, service)
    assert (one["state"], one["reason"]) == ("held", "look first")
    assert queue(run, service, "release", text).out == "1 copy released\n"
    assert states(run, service) == ["first"]
    said = queue(run, service, "release", text)
    assert (said.status, said.err) == (1, "nothing in the queue is held\n")
    assert queue(run, service, "retry", text).out == "1 copy due at once\n"
    told = run("trace", text, "--config", service).out
    by = queue_acts.whoever()
    for line in (f"hold by {by}: look first", f"release by {by}", f"retry by {by}"):
        assert f"Z  {line}\n" in told


def test_a_returned_copy_owes_its_sender_a_report(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test"))
    text = accept_id_text(accept_id)
    said = queue(run, service, "return", text, "--reason", "The school has closed.")
    assert said.status == 0, said
    assert said.out.startswith("1 copy returned")
    assert listed(run, service) == []
    with store_of(service) as store:
        (owed,) = store.queue.owed_reports(limit=10)
    attempt = owed.copies[0].attempt
    assert attempt is not None
    assert "The school has closed." in attempt.words
    told = run("trace", text, "--config", service).out
    assert "The school has closed." in told
    assert "returned" in told


def test_a_cancelled_copy_owes_nothing_and_its_journey_says_why(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test"))
    text = accept_id_text(accept_id)
    said = queue(run, service, "cancel", text, "--reason", "sent by mistake")
    assert said.out == "1 copy cancelled\n"
    with store_of(service) as store:
        assert store.queue.owed_reports(limit=10) == []
    told = run("trace", text, "--config", service).out
    assert f"cancel by {queue_acts.whoever()}: sent by mistake\n" in told


def test_a_copy_is_rerouted_to_a_domain_a_literal_or_a_route(run: Run, service: Path) -> None:
    (accept_id,) = queue_up(service, to_relay("un@far.test"))
    text = accept_id_text(accept_id)
    for via in ("other.test", "[192.0.2.7]"):
        said = queue(run, service, "reroute", text, "--via", via)
        assert said.out == f"1 copy now for {via}\n", said
        assert [one["destination"] for one in listed(run, service)] == [via]
    assert is_mistake(queue(run, service, "reroute", text, "--via", "a b"), "--via", "route:NAME")
    no_route = queue(run, service, "reroute", text, "--via", "route:no")
    assert is_mistake(no_route, "no route 'no'", "the settings have none")


def test_acting_on_many_asks_first(
    run: Run, service: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queue_up(service, *(to_relay(f"r{n}@far.test") for n in range(3)))
    words = ("hold", "--domain", "far.test")
    assert is_mistake(queue(run, service, *words), "nobody to ask", "--yes")
    assert states(run, service) == ["first"] * 3
    whole = ["queue", *words, "--config", str(service)]
    monkeypatch.setattr("sys.stdin", Terminal(b"n\n"))
    assert main(whole) == 130
    assert "Hold 3 copies?" in capsys.readouterr().out
    assert states(run, service) == ["first"] * 3
    monkeypatch.setattr("sys.stdin", Terminal(b"y\n"))
    assert main(whole) == 0
    assert states(run, service) == ["held"] * 3


def test_acting_goes_slice_by_slice(
    run: Run, service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_acts, "SLICE", 2)
    queue_up(service, *(to_relay(f"r{n}@far.test", f"s{n}@far.test") for n in range(4)))
    said = queue(run, service, "cancel", "--all", "--yes", "--reason", "all wrong")
    assert said.out == "8 copies cancelled\n"
    assert listed(run, service) == []


def test_what_an_agent_is_trying_is_left_alone_and_counted(run: Run, service: Path) -> None:
    queue_up(service, *(to_relay(f"r{n}@far.test") for n in range(3)))
    with store_of(service) as store:
        lease(store, "far.test", limit=2)
        said = queue(run, service, "hold", "--all", "--yes")
        assert (said.status, said.out) == (0, "1 copy held\n")
        assert said.err.startswith("2 copies left alone: an agent is trying them")
        again = queue(run, service, "return", "--domain", "far.test", "--yes")
        assert again.out.startswith("1 copy returned")
        only = queue(run, service, "cancel", "--all", "--yes", "--reason", "x")
        assert (only.status, only.out) == (1, "")
        assert "2 copies left alone" in only.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["hold"], "say which: an id, --sender, --recipient, --domain, --to, or --all"),
        (["hold", "xyz"], "'xyz' is not an id"),
        (["hold", "--sender", " "], "--sender: it is empty"),
        (["hold", "--all", "--reason", "two\nlines"], "--reason: write one line"),
        (["list", "--state", "gone"], "no state 'gone'"),
        (["cancel", "a" * 24], "Missing option '--reason'"),
        (["suspend", "far.test", "--for", "soon"], "--for: 'soon' is not a duration"),
    ],
)
def test_a_mistake_is_one_line(run: Run, service: Path, words: list[str], told: str) -> None:
    assert is_mistake(queue(run, service, *words), told)


def test_nothing_that_matches_is_status_1(run: Run, service: Path) -> None:
    said = queue(run, service, "hold", "--domain", "far.test", "--yes")
    assert (said.status, said.out, said.err) == (1, "", "nothing in the queue matches\n")


# --- acting on destinations ---------------------------------------------------------------


def test_a_destination_is_suspended_for_a_while_and_resumed(run: Run, service: Path) -> None:
    queue_up(service, to_relay("un@far.test"))
    said = queue(run, service, "suspend", "Far.Test", "--for", "2h")
    assert said.out.startswith("far.test: suspended until 20"), said
    assert "suspended until 20" in queue(run, service, "destinations").out
    assert queue(run, service, "resume", "far.test").out == "far.test: resumed\n"
    again = queue(run, service, "resume", "far.test")
    assert (again.status, again.out) == (1, "")
    assert "was not suspended" in again.err


def test_a_suspension_without_an_end_lasts_until_it_is_resumed(run: Run, service: Path) -> None:
    said = queue(run, service, "suspend", "far.test")
    assert said.out == "far.test: suspended until it is resumed\n"
    queue_up(service, to_relay("un@far.test"))
    assert "suspended until it is resumed" in queue(run, service, "destinations").out
    fact = json.loads(queue(run, service, "destinations", "--json").out)
    assert (fact["suspended"], fact["suspended_until"]) == (True, None)
    told = queue(run, service, "show", str(listed(run, service)[0]["id"])).out
    assert "which is suspended until it is resumed" in told


@pytest.mark.parametrize("act", ["retry", "release", "reroute"])
def test_who_wants_a_try_at_a_suspended_destination_hears_that_there_is_none(
    run: Run, service: Path, act: str
) -> None:
    queue_up(service, to_relay("un@far.test"))
    queue(run, service, "suspend", "far.test")
    if act == "release":
        queue(run, service, "hold", "--all")
    more = ("--via", "far.test") if act == "reroute" else ()
    said = queue(run, service, act, "--all", *more)
    assert said.status == 0
    assert said.out.startswith("1 copy ")
    assert "far.test is suspended until it is resumed: nothing is tried there before" in said.err
    assert "`mailserver queue resume far.test`" in said.err
    queue(run, service, "resume", "far.test")
    assert queue(run, service, "retry", "--all").err == ""


def test_to_suspend_what_nothing_waits_for_is_done_and_said(run: Run, service: Path) -> None:
    said = queue(run, service, "suspend", "fra.test")
    assert said.out == "fra.test: suspended until it is resumed\n"
    assert said.err == "nothing waits for fra.test; no mail waits for anything\n"
    queue_up(service, to_relay("un@far.test"))
    assert "mail waits for far.test" in queue(run, service, "suspend", "fra.test").err
    assert queue(run, service, "suspend", "far.test").err == ""


def test_a_destination_that_is_empty_leaves_the_list(run: Run, service: Path) -> None:
    queue_up(service, to_relay("un@far.test"))
    try_once(service, "far.test")
    assert "far.test" in queue(run, service, "destinations").out
    assert queue(run, service, "cancel", "--all", "--yes", "--reason", "x").status == 0
    said = queue(run, service, "destinations")
    assert (said.out, said.err) == ("", "nothing waits for any destination\n")
    queue(run, service, "suspend", "far.test")
    assert "suspended" in queue(run, service, "destinations").out
