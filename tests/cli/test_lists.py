"""`mailserver list`: what it makes, shows and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Said

PASSWORD = b"un cheval sur la plage\n"


@pytest.fixture
def lists(service: Path, run: Run) -> Path:
    """A service with the account `anne` and the list `animateurs`, which the postmaster owns."""
    words = ("anne", "--address", "anne.durand@a.test", "--name", "Anne", "--password-stdin")
    assert run("account", "add", *words, "--config", service, stdin=PASSWORD).status == 0
    (chef,) = [one for one in _accounts(run, service) if one != "anne"]
    said = run("list", "add", "animateurs", "--owner", chef, "--config", service)
    assert said.status == 0, said.err
    return service


def _accounts(run: Run, service: Path) -> list[str]:
    lines = run("account", "list", "--json", "--config", service).out.splitlines()
    return [json.loads(line)["identifier"] for line in lines]


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


def test_a_rule_counts_who_it_finds_and_is_removed_by_number(lists: Path, run: Run) -> None:
    said = run("list", "rule", "animateurs", "--unit", "nowhere", "--below", "--config", lists)
    assert "0 members by rule" in said.out
    facts = json.loads(run("list", "show", "animateurs", "--json", "--config", lists).out)
    number = facts["rules"][0]["number"]
    said = run("list", "rule", "animateurs", "--remove", str(number), "--config", lists)
    assert said.status == 0
    assert run("list", "rule", "animateurs", "--remove", "9", "--config", lists).status == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "nothing"), "is no list"),
        (("members", "animateurs", "--add", "nobody"), "no account"),
        (("change", "animateurs", "--posting", "all"), "write one of members"),
        (("change", "animateurs", "--prefix", "[x]"), "without brackets"),
        (("rule", "animateurs"), "--unit CODE is needed"),
        (("role", "animateurs", "king", "anne"), "write one of owner"),
        (("moderate", "animateurs", "--approve", "x"), "no post x waits"),
        (("delete", "animateurs"), "nobody to ask"),
        (("add", "anne.durand", "--owner", "anne"), "already taken"),
        (("add", "a+b", "--owner", "anne"), "no address for a list"),
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
