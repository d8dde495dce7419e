"""Files and folders that are too long are found, unless their folder says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import rules


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A room of its own repository, where there is no git."""
    room = tmp_path / "mailserver" / "room"
    room.mkdir(parents=True)
    monkeypatch.setattr(rules, "ROOT", tmp_path)
    return room


def fill(room: Path, says: str, *, modules: int = 0, lines: int = 0) -> list[str]:
    of_a_room = "In: this.  Out: that.  May not know more."
    (room / "__init__.py").write_text(f'"""A room.\n\n{of_a_room}\n\n{says}\n"""\n')
    for number in range(modules):
        (room / f"m{number}.py").write_text("")
    if lines:
        (room / "long.py").write_text("x = 1\n" * lines)
    return [one.partition(": ")[2] for one in rules.broken_rules()]


def test_four_hundred_lines_and_sixteen_modules_are_allowed(room: Path) -> None:
    assert fill(room, "", modules=15, lines=400) == []


@pytest.mark.parametrize(
    "says", ["", "`long` is what it is.", "`other` has over 400 lines: a list."]
)
def test_a_longer_file_is_found(room: Path, says: str) -> None:
    assert fill(room, says, lines=401) == ["401 lines: split it, or let `__init__` say why not"]


def test_a_longer_file_may_stay_where_the_folder_says_why(room: Path) -> None:
    assert fill(room, "`long` has over 400 lines: a list.", lines=401) == []


@pytest.mark.parametrize("says", ["", "Over 16 modules: ", "There are over 16 modules: so it is."])
def test_a_fuller_folder_is_found(room: Path, says: str) -> None:
    found = fill(room, says, modules=17)
    assert found == ["17 modules: sort them, or let `__init__` say why not"]


def test_a_fuller_folder_may_stay_where_it_says_why(room: Path) -> None:
    assert fill(room, "Over 16 modules: each is a row of one table.", modules=17) == []


def test_a_room_says_what_comes_in_what_goes_out_and_what_it_may_not_know(room: Path) -> None:
    (room / "__init__.py").write_text('"""A room.  In: much.\n"""\n')
    (found,) = rules.broken_rules()
    assert found == "mailserver/room/__init__.py: it says nothing of out:  may not "
