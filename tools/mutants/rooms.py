"""Which modules are cores, and which tests speak for a module.

tests/ mirrors the source: the tests of `mailserver/auth/gate.py` stand in
`tests/auth`.  A room is named by its folder.
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
    "mailserver/people",
    "mailserver/queue",
    "mailserver/quota",
    "mailserver/recovery",
    "mailserver/routing",
    "mailserver/values",
    "pop3_store",
    "smtp_relay/delivery",
    "smtp_relay/inbound",
    "webmail",
)
_SHELLS = {"__init__", "__main__", "worker", "protocol", "transport", "reactor", "words", "texts"}


def modules_of(root: Path, rooms: tuple[str, ...]) -> list[Path]:
    """The modules of these rooms, relative to `root`, sorted.

    Raises: ValueError for a room that does not exist.
    """
    found: set[Path] = set()
    for room in rooms:
        if not (root / room).is_dir():
            raise ValueError(f"no room {room}")
        found |= {path for path in (root / room).rglob("*.py") if path.stem not in _SHELLS}
    return [path.relative_to(root) for path in sorted(found)]


def witnesses(root: Path, module: Path) -> list[Path]:
    """What to run for a module: first the tests that bear its name, then those of its room.

    Relative to `root`; empty where no folder of tests mirrors it.
    """
    folder = _mirror(root, module)
    if folder is None:
        return []
    own = sorted(folder.glob(f"test_{module.stem}*.py"))
    rest = sorted(path for path in folder.glob("test_*.py") if path not in own)
    return [path.relative_to(root) for path in own + rest]


def _mirror(root: Path, module: Path) -> Path | None:
    parts = module.parts[:-1]
    if parts and parts[0] == "mailserver":
        parts = parts[1:]
    while parts:
        folder = root / "tests" / Path(*parts)
        if any(folder.glob("test_*.py")):
            return folder
        parts = parts[:-1]
    return None
