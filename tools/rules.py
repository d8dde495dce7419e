"""Rules of the repository that no other tool checks.

- no path of somebody's machine, and no package index's address, in any file;
- a room's `__init__.py` is a docstring and no code; it says what comes "In: ", what goes "Out: ",
  and what the room "may not" know or do;
- functions stay under 61 lines;
- a file of code stays under 401 lines and a folder under 17 modules, unless the folder's `__init__`
  says why in a line that begins "`name` has over 400 lines: " or "Over 16 modules: ";
- links between pages of the documentation lead somewhere.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_FUNCTION_LINES = 60
MOST_FILE_LINES = 400
MOST_MODULES = 16
# Written in pieces, so that this file obeys its own rule.
_MACHINE_PATHS = re.compile(r"(?<![\w.~/-])/(?:" + "|".join(["wo" + "rk", "ro" + "ot"]) + r")/\w")
_INDEXES = re.compile(
    "|".join([r"py" + r"pi\.org", r"python" + r"hosted\.org", r"--index-" + "url"])
)
_OF_A_ROOM = ("in: ", "out: ", "may not ")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_ROOMS = ("mailserver", "smtp_relay", "pop3_store", "webmail")


def broken_rules() -> list[str]:
    """One sentence for each place that breaks a rule."""
    found: list[str] = []
    for path in _files():
        text = _text(path)
        if text is None:
            continue
        name = str(path.relative_to(ROOT))
        found += _told(name, text)
        if path.suffix == ".py":
            found += _code(name, text)
        if path.suffix == ".md":
            found += _links(path, name, text)
    return [*found, *_crowded_folders()]


def _files() -> list[Path]:
    """What is or would be committed; the whole folder where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:
        return [path for room in (*_ROOMS, "docs", "config") for path in (ROOT / room).rglob("*.*")]
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def _text(path: Path) -> str | None:
    """None for what is not text, or was removed."""
    try:
        return path.read_text("utf-8")
    except (UnicodeDecodeError, OSError):
        return None


def _told(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if _MACHINE_PATHS.search(line):
            yield f"{name}:{number}: a path of somebody's machine"
        if _INDEXES.search(line) and name != "tools/locks/compile":
            yield f"{name}:{number}: the address of a package index"


def _code(name: str, text: str) -> Iterator[str]:
    length = text.count("\n")
    if length > MOST_FILE_LINES and not name.startswith("tests/"):
        file = ROOT / name
        reason = rf"^`{file.stem}` has over 400 lines: \w"
        if not re.search(reason, _docstring(file.parent), re.MULTILINE):
            yield f"{name}: {length} lines: split it, or let `__init__` say why not"
    tree = ast.parse(text, name)
    is_room = name.endswith("__init__.py") and name.startswith(_ROOMS)
    if is_room and not _is_only_docstring(tree):
        yield f"{name}: a room's __init__ is a docstring and no code"
    if is_room and (missing := [word for word in _OF_A_ROOM if word not in _folded(text)]):
        yield f"{name}: it says nothing of {' '.join(missing)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {lines} lines: split it"


def _crowded_folders() -> Iterator[str]:
    folders = {path.parent for path in _files() if path.suffix == ".py" and path.exists()}
    for folder in sorted(folders):
        name = str(folder.relative_to(ROOT))
        count = len([one for one in folder.glob("*.py") if one.name != "__init__.py"])
        is_explained = re.search(r"^Over 16 modules: \w", _docstring(folder), re.MULTILINE)
        if count > MOST_MODULES and not is_explained and not name.startswith("tests"):
            yield f"{name}: {count} modules: sort them, or let `__init__` say why not"


def _docstring(folder: Path) -> str:
    text = _text(folder / "__init__.py")
    return (ast.get_docstring(ast.parse(text)) if text else None) or ""


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def _is_only_docstring(tree: ast.Module) -> bool:
    """`__all__` and `__version__` are no code."""
    docstring = ast.get_docstring(tree)
    rest = tree.body[1:]
    names = {"__all__", "__version__"}
    return bool(docstring) and all(
        isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} <= names
        for node in rest
    )


def _links(path: Path, name: str, text: str) -> Iterator[str]:
    for link in _LINK.findall(text):
        if "://" not in link and not link.startswith("mailto:"):
            target = (path.parent / link).resolve()
            if not target.exists():
                yield f"{name}: the link {link} leads nowhere"
