"""`make check`: every check of the code that is not a test, two at a time.

ruff (lint and format), mypy --strict, import-linter, the pages made from the
code, the rules of the repository, the names of dependencies and what is known
against them.  Prints what fails, and how long each took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.backticks import dead_names
from tools.dependencies import known_holes, unknown_names
from tools.pages import stale_pages
from tools.rules import broken_rules

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PROGRAMS: dict[str, list[Path | str]] = {
    "mypy": [BIN / "mypy"],
    "ruff check": [BIN / "ruff", "check", "--quiet", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "--quiet", "."],
    "imports": [BIN / "lint-imports", "--no-cache"],
}
SENTENCES: dict[str, Callable[[], list[str]]] = {
    "pages": stale_pages,
    "rules": broken_rules,
    "names": unknown_names,
    "backticks": dead_names,
}


def main() -> int:
    """Exit status 1 when any check fails."""
    with ThreadPoolExecutor(2) as pool:
        audit = pool.submit(_audit)
        results = list(pool.map(_check, [*PROGRAMS, *SENTENCES]))
    return 0 if all(results) and audit.result() else 1


def _check(name: str) -> bool:
    begun_s = time.monotonic()
    said = _run(PROGRAMS[name]) if name in PROGRAMS else "\n".join(SENTENCES[name]())
    took_s = time.monotonic() - begun_s
    print(f"{name:<12} {'FAILED' if said else 'ok':<7} {took_s:5.1f} s")
    if said:
        print(said)
    return not said


def _audit() -> bool:
    """Holes that are known fail; where nothing can be known, that is said, loudly."""
    begun_s = time.monotonic()
    holes, why_not = known_holes()
    state = "FAILED" if holes else "SKIPPED" if why_not else "ok"
    print(f"{'audit':<12} {state:<7} {time.monotonic() - begun_s:5.1f} s")
    for line in (*holes, *([f"NO AUDIT: {why_not}"] if why_not else [])):
        print(line)
    return not holes


def _run(command: list[Path | str]) -> str:
    """What it printed if it failed, else nothing."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() or "failed" if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
