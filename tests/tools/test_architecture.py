"""docs/architecture.md names every room of the core, and what it says of imports is true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "mailserver"
_ROW = re.compile(r"^\| (`mailserver/[^|]*) \| [^|]* \| ([^|]*) \|$", re.MULTILINE)
_IMPORT = re.compile(r"^\s*(?:from|import) mailserver\.(\w+)", re.MULTILINE)
MOST_LINES = 150


def page() -> str:
    return (ROOT / "docs" / "architecture.md").read_text("utf-8")


def told() -> dict[str, str]:
    """Room -> what it may import, as the table says."""
    return {
        room: imports
        for rooms, imports in _ROW.findall(page())
        for room in re.findall(r"`mailserver/(\w+)`", rooms)
    }


def imported(room: str) -> set[str]:
    texts = [path.read_text("utf-8") for path in (CORE / room).rglob("*.py")]
    return {other for text in texts for other in _IMPORT.findall(text)} - {room}


def test_every_room_has_a_row() -> None:
    rooms = {path.parent.name for path in CORE.glob("*/__init__.py")}
    assert told().keys() == rooms


def test_no_room_imports_what_its_row_does_not_name() -> None:
    wrong = {
        room: sorted(other for other in imported(room) if not re.search(rf"\b{other}\b", may))
        for room, may in told().items()
        if not may.startswith("all of the core")
    }
    assert {room: others for room, others in wrong.items() if others} == {}


def test_it_is_one_page() -> None:
    assert page().count("\n") <= MOST_LINES
