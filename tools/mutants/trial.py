"""Trying one change: a copy of the tree, the change in it, the tests of its room.

A copy is used by one thread at a time and put right after each trial.  A run that
does not end in time counts as found: a test that hangs is a test that fails.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.mutants.changes import Change, changed
from tools.mutants.rooms import witnesses

MOST_RUN_S = 300.0
_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=no")
_LEFT_OUT = "not heavy and not crash and not e2e and not network"
_later_s = itertools.count(2_000_000_000)  # a new time for each text, or old bytecode would serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A change to a module; `module` is relative to the tree."""

    module: Path
    change: Change


class Copy:
    """A copy of what is or would be committed."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = folder
        for name in _files(root):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)

    def passes(self, module: Path) -> bool:
        """Whether the tests of this module's room pass, as they stand."""
        tests = witnesses(self._root, module)
        try:
            run = subprocess.run(
                [sys.executable, "-m", "pytest", *_OPTIONS, "-m", _LEFT_OUT, *map(str, tests)],
                cwd=self._root,
                env={**os.environ, "PYTHONPATH": str(self._root)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=MOST_RUN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return run.returncode == 0

    def survives(self, sample: Sample) -> bool:
        """Whether no test finds the change."""
        path = self._root / sample.module
        source = path.read_text("utf-8")
        self._write(path, changed(source, sample.change.number))
        try:
            return self.passes(sample.module)
        finally:
            self._write(path, source)

    def _write(self, path: Path, source: str) -> None:
        path.write_text(source, "utf-8")
        moment_s = next(_later_s)
        os.utime(path, (moment_s, moment_s))


def _files(root: Path) -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [name for name in listing.stdout.decode().split("\0") if name]
