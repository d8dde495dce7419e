"""Which modules are cores, and which tests speak for a module.

tests/ mirrors the source: the tests of `mailserver/auth/gate.py` stand in
`tests/auth`.  A room is named by its folder, and a module by its file; folders
inside a room that no tests mirror have those of the room.
"""

from __future__ import annotations

from pathlib import Path

# Rooms that decide: no socket, no process, nothing that is only words.
CORES = (
    "mailserver/auth",
    "mailserver/dkim",
    "mailserver/dsn",
    "mailserver/directory",
    "mailserver/lists",
    "mailserver/peers",
    "mailserver/people",
    "mailserver/queue",
    "mailserver/quota",
    "mailserver/recovery",
    "mailserver/routing",
    "mailserver/store",
    "mailserver/values",
    "pop3_store",
    "smtp_relay/delivery",
    "smtp_relay/inbound",
    "webmail",
)
_SHELLS = {"__init__", "__main__", "worker", "protocol", "transport", "reactor", "words", "texts"}


def modules_of(root: Path, rooms: tuple[str, ...]) -> list[Path]:
    """The modules of these rooms, relative to `root`, sorted; a room may be one module.

    Raises: ValueError for a room that does not exist.
    """
    found: set[Path] = set()
    for room in rooms:
        if (root / room).is_file() and room.endswith(".py"):
            found.add(root / room)
        elif (root / room).is_dir():
            found |= {path for path in (root / room).rglob("*.py") if path.stem not in _SHELLS}
        else:
            raise ValueError(f"no room {room}")
    return [path.relative_to(root) for path in sorted(found)]


def room_of(root: Path, module: Path) -> Path:
    """The room that a module stands in: the innermost folder that tests mirror."""
    folders = [folder for folder in module.parents if _mirror(root, folder)]
    return folders[0] if folders else module.parent


def witnesses(root: Path, module: Path) -> list[Path]:
    """What to run for a module: first the tests that bear its name, then those of its room.

    Relative to `root`; empty where no folder of tests mirrors it.
    """
    folder = _mirror(root, room_of(root, module))
    found = sorted(folder.rglob("test_*.py")) if folder else []
    own = [path for path in found if path.name.startswith(f"test_{module.stem}")]
    rest = [path for path in found if path not in own]
    return [path.relative_to(root) for path in own + rest]


def _mirror(root: Path, room: Path) -> Path | None:
    """None also for what holds all rooms."""
    parts = room.parts
    if parts and parts[0] == "mailserver":
        parts = parts[1:]
    folder = root / "tests" / Path(*parts)
    return folder if parts and any(folder.rglob("test_*.py")) else None
