"""Small changes at random: what is changed, and what is run to find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutants.changes import changed, changes_in
from tools.mutants.rooms import modules_of, witnesses
from tools.mutants.trial import Copy, Sample

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = '''"""A text with 3 in it."""

LIMIT: int = 5

def admits(count: int, known: bool = False) -> bool:
    """Whether 7 come in."""
    if count < LIMIT and not known:
        return True
    return False
'''


def test_each_kind_of_change_is_offered() -> None:
    assert {(change.before, change.after) for change in changes_in(SOURCE)} == {
        ("5", "6"),
        ("False", "True"),
        ("True", "False"),
        ("count < LIMIT", "count <= LIMIT"),
        ("not known", "known"),
        ("count < LIMIT and (not known)", "count < LIMIT or not known"),
        ("count < LIMIT and (not known)", "True"),
        ("count < LIMIT and (not known)", "False"),
    }


@pytest.mark.parametrize("number", range(len(changes_in(SOURCE))))
def test_a_change_changes_one_thing_and_stays_python(number: int) -> None:
    change = changes_in(SOURCE)[number]
    after = changed(SOURCE, number)
    assert after != changed(SOURCE, (number + 1) % len(changes_in(SOURCE)))
    assert change.after in after
    compile(after, "changed", "exec")


def test_a_change_that_is_not_there_is_no_change() -> None:
    with pytest.raises(IndexError):
        changed(SOURCE, 99)


def test_the_tests_that_bear_a_modules_name_come_first() -> None:
    tests = witnesses(ROOT, Path("mailserver/auth/gate.py"))
    assert tests[0] == Path("tests/auth/test_gate.py")
    assert Path("tests/auth/test_throttle.py") in tests


def test_every_core_has_tests_in_the_mirrored_place() -> None:
    orphans = [
        path for path in modules_of(ROOT, ("mailserver/queue",)) if not witnesses(ROOT, path)
    ]
    assert not orphans


def test_a_room_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no room"):
        modules_of(ROOT, ("mailserver/attic",))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_change_that_a_test_finds_does_not_survive_and_is_taken_back(tmp_path: Path) -> None:
    module = Path("mailserver/queue/schedule.py")
    source = (ROOT / module).read_text("utf-8")
    copy = Copy(ROOT, tmp_path)
    found = next(change for change in changes_in(source) if change.after == "False")
    assert not copy.survives(Sample(module=module, change=found))
    assert (tmp_path / module).read_text("utf-8") == source
    assert (ROOT / module).read_text("utf-8") == source
