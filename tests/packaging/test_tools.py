"""The repository's own checks find what they are for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import rules
from tools.pages import DOCS, PAGES


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), "python -m tools.pages"


@pytest.mark.parametrize("path", ["/" + "work/main", "/" + "root/x"])
def test_a_path_of_a_machine_is_found(path: str) -> None:
    assert list(rules._told("a.md", f"see {path}"))
    assert not list(
        rules._told("a.md", "var" + "/work" + "/main, ." + "/root" + "/x and /workers/main")
    )


def test_the_address_of_an_index_is_found() -> None:
    assert list(rules._told("requirements.txt", "--index-" + "url https://example.org"))


def test_code_in_a_room_is_found() -> None:
    assert rules._is_only_docstring(ast.parse('"""A room."""\n\n__all__ = ["x"]\n'))
    assert not rules._is_only_docstring(ast.parse('"""A room."""\nimport os\n'))
    assert not rules._is_only_docstring(ast.parse("__all__ = []\n"))


def test_a_long_function_is_found() -> None:
    body = "    x = 1\n" * rules.MOST_FUNCTION_LINES
    assert list(rules._code("a.py", f"def f():\n{body}"))


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.touch()
    assert list(rules._links(page, "page.md", "[x](none.md#there)"))
    assert not list(rules._links(page, "page.md", "[x](page.md) [y](https://example.org)"))
