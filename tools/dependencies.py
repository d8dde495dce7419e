"""What the locks bring in: only names that somebody has looked at, and none with a known hole.

`tools/locks/names.txt` is the list of names.  A new line in it is a decision: look at
who publishes the package, and that it is not one that is named like another.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-dev.txt")
NAMES = ROOT / "tools" / "locks" / "names.txt"
MOST_AUDIT_S = 120.0
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)


def unknown_names() -> list[str]:
    """One sentence for each name that is locked and not known, or known and not locked."""
    locked = {name for lock in LOCKS for name in names_in((ROOT / lock).read_text("utf-8"))}
    lines = NAMES.read_text("utf-8").splitlines()
    known = {line.split("#")[0].strip() for line in lines} - {""}
    return compare(locked, known)


def names_in(lock: str) -> set[str]:
    """The packages of a lock file, in the form of PEP 503."""
    return {re.sub(r"[-_.]+", "-", name).lower() for name in _LOCKED.findall(lock)}


def compare(locked: set[str], known: set[str]) -> list[str]:
    new = [
        f"{name} is new: look at who publishes it, then write it into tools/locks/names.txt"
        for name in sorted(locked - known)
    ]
    gone = [
        f"{name} is in no lock any more: take it out of tools/locks/names.txt"
        for name in sorted(known - locked)
    ]
    return new + gone


def known_holes() -> tuple[list[str], str]:
    """(a sentence for each advisory about what the service installs, why none was looked for)."""
    program = Path(sys.executable).parent / "pip-audit"
    command: list[str | Path] = [
        program,
        "--requirement",
        ROOT / LOCKS[0],
        "--no-deps",
        "--disable-pip",
    ]
    try:
        run = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=MOST_AUDIT_S,
            check=False,
        )
        told = json.loads(run.stdout)["dependencies"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return [], "no list of advisories can be reached from here"
    return holes_in(told)


def holes_in(told: Iterable[dict[str, Any]]) -> tuple[list[str], str]:
    """As `known_holes`, from what pip-audit says of each package."""
    looked_at = [one for one in told if "vulns" in one]
    holes = [
        f"{one['name']} {one['version']}: {hole['id']},"
        f" mended in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for one in looked_at
        for hole in one["vulns"]
    ]
    return holes, "" if looked_at else "the list of advisories that answers here knows no package"
