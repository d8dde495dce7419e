"""What people are told fits a town and a company as well as a school district."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OF_ONE_KIND = re.compile(r"acad[ée]mi|rectorat|school district", re.IGNORECASE)
# The story that the demo tells, and the titles of columns in files of school districts.
MAY_SAY_SO = frozenset({"mailserver/demo", "mailserver/directory/reading/columns.py"})


def texts_of(path: Path) -> Iterator[str]:
    """French and English of each `Text(...)` and `Plural(...)` in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for keyword in node.keywords:
                if keyword.arg in {"fr", "en"}:
                    yield from (
                        one.value
                        for one in ast.walk(keyword.value)
                        if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    )


def test_no_text_names_one_kind_of_organisation() -> None:
    found, count = [], 0
    for room in ("mailserver", "smtp_relay", "pop3_store", "webmail"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if any(name.startswith(one) for one in MAY_SAY_SO):
                continue
            for text in texts_of(path):
                count += 1
                if OF_ONE_KIND.search(text):
                    found.append(f"{name}: {text[:60]}")
    assert found == []
    assert count > 100
