"""Small changes at random: what is changed, what is run to find it, what is told."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tools.mutants.changes import Change, changed, changes_in
from tools.mutants.report import line_of, tell
from tools.mutants.rooms import CORES, modules_of, witnesses
from tools.mutants.trial import Copy, End, Sample

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = '''"""A text with 3 in it."""

LIMIT: int = 5

@dataclass(frozen=True)
class Known:
    lines: tuple[int, ...] = field(repr=False)

def admits(count: int, known: bool = False) -> bool:
    """Whether 7 come in."""
    if count < LIMIT and not known:
        note(count)
        return True
    log.warning("full", count=count)
    while 0 < count <= LIMIT:
        count -= 1
    return [one for one, other in zip(a, b, strict=True) if one]
'''


def test_each_kind_of_change_is_offered() -> None:
    assert {(change.before, change.after) for change in changes_in(SOURCE)} == {
        ("5", "6"),
        ("False", "True"),
        ("True", "False"),
        ("0", "1"),
        ("1", "2"),
        ("count < LIMIT", "count <= LIMIT"),
        ("not known", "known"),
        ("count < LIMIT and (not known)", "count < LIMIT or not known"),
        ("count < LIMIT and (not known)", "count < LIMIT"),
        ("count < LIMIT and (not known)", "not known"),
        ("count < LIMIT and (not known)", "True"),
        ("count < LIMIT and (not known)", "False"),
        ("note(count)", "pass"),
        ("0 < count <= LIMIT", "0 <= count <= LIMIT"),
        ("0 < count <= LIMIT", "0 < count < LIMIT"),
        ("0 < count <= LIMIT", "False"),
        ("one", "True"),
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


def test_a_change_knows_its_statement_and_not_the_statements_inside_it() -> None:
    text = "def f(a):\n    if (\n        a\n        and 3\n    ):\n        return 4\nB = 5\n"
    of = {change.before: change for change in changes_in(text)}
    assert (of["3"].first_line, of["3"].last_line, of["3"].is_at_import) == (2, 5, False)
    assert (of["4"].first_line, of["4"].last_line) == (6, 6)
    assert of["5"].is_at_import


def test_the_tests_that_bear_a_modules_name_come_first() -> None:
    tests = witnesses(ROOT, Path("mailserver/auth/gate.py"))
    assert tests[0] == Path("tests/auth/test_gate.py")
    assert Path("tests/auth/test_throttle.py") in tests


def test_a_folder_inside_a_room_has_its_own_tests_or_those_of_the_room(tmp_path: Path) -> None:
    for name in ("test_room.py", "own/test_own.py"):
        path = tmp_path / "tests" / "room" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert witnesses(tmp_path, Path("mailserver/room/own/x.py")) == [
        Path("tests/room/own/test_own.py")
    ]
    assert witnesses(tmp_path, Path("mailserver/room/without/own.py")) == [
        Path("tests/room/own/test_own.py"),
        Path("tests/room/test_room.py"),
    ]
    assert witnesses(tmp_path, Path("mailserver/elsewhere/own.py")) == []


def test_every_core_has_tests_in_the_mirrored_place() -> None:
    assert not [path for path in modules_of(ROOT, CORES) if not witnesses(ROOT, path)]


def test_a_room_may_be_one_module_and_one_that_does_not_exist_is_a_mistake() -> None:
    assert modules_of(ROOT, ("mailserver/queue/turns.py",)) == [Path("mailserver/queue/turns.py")]
    with pytest.raises(ValueError, match="no room"):
        modules_of(ROOT, ("mailserver/attic",))


def test_the_report_counts_by_room_and_names_survivors() -> None:
    change = changes_in("A = [\n  1,\n  2]\n")[1]
    sample = Sample(module=Path("house/room/wall.py"), change=change)
    assert line_of(sample, End.SURVIVED) == "house/room/wall.py:3: 2 -> 3"
    assert line_of(sample, End.NOT_RUN) == "house/room/wall.py:3: 2 -> 3  (no test runs it)"
    console = Console(file=io.StringIO(), width=100)
    tell([(sample, end) for end in End], root=ROOT, seed=7, console=console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    row = next(line for line in lines if "house/room" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("house/room", "4", "2", "1", "2", "1")
    ]
    assert lines[-1] == "2 of 4 changes were found (seed 7)"


# A house of its own: the tests of ours would take a minute.
HOUSE = {
    "room/__init__.py": "",
    "room/gate.py": """LIMIT = 3
IS_OPEN = True

def admits(count):
    while count == 99:
        pass
    return IS_OPEN and count < LIMIT

def nobody_asks(count):
    return count == 5

def asked_by_a_process():
    print(7)
""",
    "room/table.py": "SEATS = 9\n",
    "tests/room/test_gate.py": """import subprocess, sys
from room import gate, table

def test_seats():
    assert table.SEATS == 9

def test_few():
    assert gate.admits(1)

def test_many():
    assert not gate.admits(50)

def test_process():
    said = subprocess.run(
        [sys.executable, "-c", "from room import gate; gate.asked_by_a_process()"],
        capture_output=True, check=True)
    assert said.stdout == b"7\\n"
""",
    "pytest.ini": """[pytest]
markers =
    heavy
    crash
    e2e
    network
addopts = --import-mode=importlib
""",
}
MODULE = Path("room/gate.py")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Copy]:
    for name, text in HOUSE.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    copy = Copy(
        tmp_path / "house",
        tmp_path,
        names=list(HOUSE),
        tools=ROOT,
    )
    yield copy
    copy.close()


def _sample(before: str, after: str) -> Sample:
    def fits(change: Change) -> bool:
        return (change.before, change.after) == (before, after)

    return Sample(module=MODULE, change=next(filter(fits, changes_in(HOUSE[str(MODULE)]))))


@pytest.mark.slow
def test_what_a_test_finds_does_not_survive_and_is_taken_back(house: Copy, tmp_path: Path) -> None:
    ends = {
        ("count < LIMIT", "count <= LIMIT"): End.SURVIVED,  # nobody asks at the limit
        ("True", "False"): End.FOUND,  # at import
        ("count == 5", "count != 5"): End.NOT_RUN,
        ("print(7)", "pass"): End.FOUND,  # in a process that a test starts
    }
    assert {change: house.end_of(_sample(*change)) for change in ends} == ends
    table = Sample(module=Path("room/table.py"), change=changes_in("SEATS = 9\n")[0])
    assert house.end_of(table) is End.FOUND  # though no test runs a line of it
    house.least_s = 0.5
    assert house.end_of(_sample("count == 99", "count != 99")) is End.HUNG
    for folder in ("house", "tree"):
        assert (tmp_path / folder / MODULE).read_text("utf-8") == HOUSE[str(MODULE)]
