"""docs/glossary.md is true of the code, and docs/reading-order.md leads somewhere in an hour."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("mailserver", "smtp_relay", "pop3_store", "webmail")
MOST_FILES = 12
MOST_MINUTES = 75
"""An hour, and what breathing takes."""
LINES_PER_MINUTE = 55
_ROW = re.compile(r"^\| (?:\d+ \| `([^`]+)` \| (\d+) \|)", re.MULTILINE)
_NAME = re.compile(r"`([A-Za-z_]\w*)`")


@cache
def classes() -> dict[str, list[str]]:
    """Name -> the files that have a class of that name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(ROOT)))
    return found


@cache
def names() -> set[str]:
    """All names that code of ours defines or takes, modules and packages too."""
    found: set[str] = set()
    for path in _sources():
        found |= set(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                    found.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
    return found


def _sources() -> list[Path]:
    return [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]


def glossary() -> tuple[str, str]:
    """(the words, the classes that share a name)."""
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    words, _, shared = text.partition("## Classes that share a name")
    return words, shared


def column(table: str, number: int) -> list[str]:
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    return [row[number] for row in rows if len(row) > number]


def test_each_name_of_the_glossary_is_in_the_code() -> None:
    told = {name for cell in column(glossary()[0], 3) for name in _NAME.findall(cell)}
    assert told - names() - {"multiprocessing"} == set()


def test_each_word_stands_once() -> None:
    words = re.findall(r"^\| \*\*([^*]+)\*\*", glossary()[0], re.MULTILINE)
    assert len(words) == len(set(words)) > 30


def test_classes_of_one_name_are_stated_with_the_reason() -> None:
    told = {name for cell in column(glossary()[1], 1) for name in _NAME.findall(cell)}
    assert told == {name for name, files in classes().items() if len(files) > 1}


def test_the_reading_order_is_twelve_files_in_an_hour() -> None:
    rows = _ROW.findall((ROOT / "docs" / "reading-order.md").read_text("utf-8"))
    assert 0 < len(rows) <= MOST_FILES
    assert sum(int(minutes) for _, minutes in rows) <= MOST_MINUTES
    for name, minutes in rows:
        line_count = (ROOT / name).read_text("utf-8").count("\n")
        assert line_count <= int(minutes) * LINES_PER_MINUTE, name
