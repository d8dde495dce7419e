"""`mailserver list`: what it makes, shows and refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.cli.main import main
from mailserver.lists.addresses import next_hop_of
from mailserver.lists.leaving import leave_by_link
from mailserver.lists.one_click import Inside
from mailserver.store.ports.lists import HoldPost, ListRule
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.people import PostDoc
from mailserver.values.ids import accept_id_text
from mailserver.values.message import InlineBody
from tests.cli.conftest import Run, Said
from tests.cli.queued import store_of, to_relay
from tests.store.crowd import SCHOOL, made, school, teacher, unit
from tests.store.letters import NOW_S, accept

PASSWORD = b"un cheval sur la plage\n"


@pytest.fixture(scope="module")
def new_lists(tmp_path_factory: pytest.TempPathFactory, new_service: Path) -> Path:
    """The folder of a service with the account `anne` and the list `animateurs`; to be copied."""
    folder = Path(shutil.copytree(new_service, tmp_path_factory.mktemp("lists") / "s"))
    settings_file = folder / "mailserver.toml"
    with store_of(settings_file) as store:
        store.accounts.add_account(
            identifier="anne", name="Anne", addresses=["anne.durand@a.test"], now_s=NOW_S
        )
    words = ["list", "add", "animateurs", "--owner", "postmaster", "--config", str(settings_file)]
    assert main(words) == 0
    return folder


@pytest.fixture
def lists(tmp_path: Path, new_lists: Path) -> Path:
    return Path(shutil.copytree(new_lists, tmp_path / "s"), "mailserver.toml")


def _members(said: Said) -> list[tuple[str, bool]]:
    assert said.status == 0, said.err
    found = map(json.loads, said.out.splitlines())
    return [(one["address"], one["gets_mail"]) for one in found]


def test_a_list_has_an_owner_and_its_name_as_prefix(lists: Path, run: Run) -> None:
    facts = json.loads(run("list", "show", "animateurs", "--json", "--config", lists).out)
    assert (facts["address"], facts["prefix"]) == ("animateurs@a.test", "animateurs")
    assert len(facts["owners"]) == 1
    assert "animateurs@a.test" in run("list", "all", "--config", lists).out


def test_members_come_by_identifier_by_address_and_from_a_file(
    lists: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "members.txt"
    file.write_text("paul@exemple.net  # outside\n\nanne.durand@a.test\n", "utf-8")
    words = ("list", "members", "animateurs", "--json", "--config", lists)
    said = run(*words, "--add", "anne", "--from-file", file)
    assert _members(said) == [("anne.durand@a.test", True), ("paul@exemple.net", True)]
    assert "anne.durand@a.test: a member already" in said.err
    assert _members(run(*words, "--no-mail", "anne"))[0] == ("anne.durand@a.test", False)
    assert _members(run(*words, "--remove", "paul@exemple.net", "--add", "anne")) == [
        ("anne.durand@a.test", True)
    ]


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"paul@exemple.net\n\xff\n", ", line 2: no account"),
        (b"anne\npaul@exemple.net # Zo\xc3\xa9\n# Zo\xe9\n", ": line 2 is UTF-8 and line 3 is not"),
        (b"anne\n\0\n", ", line 2: not a text file"),
    ],
)
def test_a_file_with_a_wrong_octet_is_one_line_with_its_name(
    run: Run, lists: Path, tmp_path: Path, octets: bytes, told: str
) -> None:
    file = tmp_path / "members.txt"
    file.write_bytes(octets)
    words = ["list", "members", "animateurs", "--config", lists]
    said = run(*words, "--from-file", file)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"{file}{told}")
    assert said.err.count("\n") == 1
    piped = run(*words, "--from-file", "-", stdin=octets)
    assert piped.err.startswith(f"standard input{told}")


def test_a_file_of_members_may_come_from_any_program(run: Run, lists: Path, tmp_path: Path) -> None:
    file = tmp_path / "members.txt"
    file.write_bytes("anne\u200b\u00a0# Zoé\r\n".encode("utf-16"))
    words = ["list", "members", "animateurs", "--config", lists]
    assert run(*words, "--from-file", file).status == 0
    missing = run(*words, "--from-file", tmp_path / "none.txt")
    assert missing.status == 2
    assert "no file" in missing.err
    assert run(*words, "--from-file", tmp_path).status == 2


def test_a_file_with_wrong_lines_adds_nobody_and_names_each(
    lists: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "members.txt"
    file.write_text("\ufeffpaul@exemple.net\nnobody\nnobody@a.test\na b@exemple.net\n", "utf-8")
    said = run("list", "members", "animateurs", "--from-file", file, "--config", lists)
    assert said.status == 2
    for number, why in ((2, "no account"), (3, "nobody has this address"), (4, "not an address")):
        assert f"members.txt, line {number}: " in said.err
        assert why in said.err
    assert run("list", "members", "animateurs", "--config", lists).out == ""


@pytest.mark.parametrize("typed", ["anne", "Anne.Durand@A.test", "anne.durand+x@a.test"])
def test_whatever_address_of_an_account_is_typed_it_is_one_member(
    lists: Path, run: Run, typed: str
) -> None:
    words = ("list", "members", "animateurs", "--json", "--config", lists)
    assert _members(run(*words, "--add", "anne", "--add", typed)) == [("anne.durand@a.test", True)]
    assert _members(run(*words, "--no-mail", typed)) == [("anne.durand@a.test", False)]
    assert _members(run(*words, "--remove", typed)) == []


@pytest.mark.parametrize(
    "outside", ["a..b@docomo.example", "a.@b.example", "a" * 70 + "@b.example"]
)
def test_a_member_outside_may_have_an_address_that_we_would_not_give(
    lists: Path, run: Run, outside: str
) -> None:
    words = ("list", "members", "animateurs", "--json", "--config", lists)
    assert _members(run(*words, "--add", outside)) == [(outside, True)]


def test_a_list_may_be_a_member_but_not_of_itself(lists: Path, run: Run) -> None:
    assert run("list", "add", "tous", "--owner", "anne", "--config", lists).status == 0
    words = ("list", "members", "tous", "--json", "--config", lists)
    assert _members(run(*words, "--add", "animateurs@a.test")) == [("animateurs@a.test", True)]
    said = run(*words, "--add", "tous@a.test")
    assert "tous@a.test is the list itself" in said.err


def test_owners_see_who_is_a_member_by_rule_and_left_by_link(lists: Path, run: Run) -> None:
    with store_of(lists) as store:
        made(store, school(), teacher("jmarot", posts=(PostDoc(SCHOOL, "enseignant"),)))
        which, account = (
            store.lists.find_list("animateurs@a.test"),
            store.accounts.find_account("jmarot"),
        )
        assert which is not None
        assert account is not None
        store.lists.add_rule(which.list_id, ListRule(unit_code=SCHOOL))
        assert leave_by_link(store.lists, which, Inside(account.account_id))
    said = run("list", "members", "animateurs", "--config", lists)
    assert said.out.split() == ["jmarot@d.fr", "no", "mail:", "by", "link"]


def test_a_rule_counts_who_it_finds_and_is_removed_by_number(lists: Path, run: Run) -> None:
    with store_of(lists) as store:
        made(store, unit("017-saintes"))
    said = run("list", "rule", "animateurs", "--unit", "017-SAINTES", "--below", "--config", lists)
    assert "0 members by rule" in said.out
    facts = json.loads(run("list", "show", "animateurs", "--json", "--config", lists).out)
    number = facts["rules"][0]["number"]
    said = run("list", "rule", "animateurs", "--remove", str(number), "--config", lists)
    assert said.status == 0
    assert run("list", "rule", "animateurs", "--remove", "9", "--config", lists).status == 2


def _wait(service: Path, body: bytes) -> str:
    """Let a post wait for a moderator of the list; returns its name."""
    with store_of(service) as store:
        which = store.lists.all_lists()[0]
        post = to_relay(which.address, hop=next_hop_of(which.list_id), held_for="a moderator")
        post = replace(post, body=InlineBody(body))
        post = replace(post, facts=replace(post.facts, header_octets=body.index(b"\r\n\r\n") + 4))
        accept(store.writes, post)
        (copy,) = store.queue.list_queue(QueueFilter(accept_id=post.accept_id), after=None, limit=1)
        hold = HoldPost(source=copy.ref, list_id=which.list_id, token="t", notes=(), at_s=NOW_S)
        store.writes.apply([hold])
        return accept_id_text(post.accept_id)


def test_a_post_that_waits_is_shown_read_and_decided(lists: Path, run: Run) -> None:
    name = _wait(lists, b"From: Z <z@b.fr>\r\nSubject: =?utf-8?q?=C3=A9t=C3=A9?=\r\n\r\nOui ?\r\n")
    words = ("list", "moderate", "animateurs", "--config", lists)
    facts = json.loads(run(*words, "--json").out)
    assert facts == {"message": name, "author": "z@b.fr", "subject": "été"}
    assert run(*words, "--read", name).out.endswith("\r\n\r\nOui ?\r\n")
    assert run(*words, "--reject", name).out == f"{name}: rejected\n"
    assert run(*words).out == ""
    with store_of(lists) as store:
        assert len(store.queue.owed_reports(limit=5)) == 1


def test_a_list_that_is_deleted_gives_back_what_waits(lists: Path, run: Run) -> None:
    _wait(lists, b"From: Z <z@b.fr>\r\n\r\nx\r\n")
    assert run("list", "delete", "animateurs", "--yes", "--config", lists).status == 0
    with store_of(lists) as store:
        assert store.queue.count_queue(QueueFilter()) == 0
        assert len(store.queue.owed_reports(limit=5)) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "nothing"), "is no list"),
        (("members", "animateurs", "--add", "nobody"), "no account"),
        (("change", "animateurs", "--posting", "all"), "write one of members"),
        (("change", "animateurs", "--prefix", "[x]"), "without brackets"),
        (("change", "animateurs", "--prefix", "a\r\nBcc: x"), "one line of text"),
        (("change", "animateurs", "--description", "a\nb"), "one line of text"),
        (("change", "animateurs", "--prefix", "x" * 61), "at most 60"),
        (("rule", "animateurs"), "--unit CODE is needed"),
        (("rule", "animateurs", "--unit", "nowhere"), "no unit"),
        (("role", "animateurs", "owner", "postmaster", "--take"), "is the last owner"),
        (("members", "animateurs", "--add", "x@a.test"), "nobody has this address here"),
        (("members", "animateurs", "--no-mail", "x@b.test"), "is no member"),
        (("members", "animateurs", "--remove", "anne"), "is no member by hand"),
        (("add", "x" * 37, "--owner", "anne"), "at most 36 characters"),
        (("role", "animateurs", "king", "anne"), "write one of owner"),
        (("moderate", "animateurs", "--approve", "x"), "no post x waits"),
        (("delete", "animateurs"), "nobody to ask"),
        (("add", "anne.durand", "--owner", "anne"), "already taken"),
        (("add", "a+b", "--owner", "anne"), "no address for a list"),
        (("add", "a..b", "--owner", "anne"), "no address for a list"),
        (("add", ".a", "--owner", "anne"), "no address for a list"),
        (("add", "x@b.test", "--owner", "anne"), "does not come here"),
    ],
)
def test_a_mistake_says_what_to_write_instead(
    lists: Path, run: Run, words: tuple[str, ...], told: str
) -> None:
    said = run("list", *words, "--config", lists)
    assert said.status == 2
    assert told in said.err
    assert "Traceback" not in said.err


def test_the_names_of_a_deleted_list_are_kept_for_it(lists: Path, run: Run) -> None:
    assert run("list", "delete", "animateurs", "--yes", "--config", lists).status == 0
    assert run("list", "all", "--config", lists).out == ""
    words = ("animateurs", "--address", "animateurs@a.test", "--name", "A", "--password-stdin")
    assert run("account", "add", *words, "--config", lists, stdin=PASSWORD).status == 2
