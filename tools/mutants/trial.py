"""Trying one change: a copy of the tree, the change in it, the tests that run it.

First all tests of the room run once, watched: which of them runs which lines.  A
change is then shown to the tests that run its statement; what they let pass is
shown to the whole room, for some tests start processes, and a cache may hold an
answer that another test has computed.  The tests of a room are imported once
(`session`), and functions changed in memory; what is computed at import is seen
by a pytest of its own.  A copy is used by one thread at a time and put right
after each trial.
"""

from __future__ import annotations

import enum
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mutants.changes import Change, changed
from tools.mutants.rooms import modules_of, room_of, witnesses

MOST_ROOM_S = 900.0
LEAST_S, _TIMES = 30.0, 5.0  # a run may take so long, and so many times what it takes unchanged
_OPTIONS = (
    *("-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=short"),
    *("--hypothesis-seed=0", "-m", "not heavy and not crash and not e2e and not network"),
    "--timeout=0",  # watched, a test takes several times what it takes; runs are bounded here
)
_ALONE = """
import sys, pytest, tools.mutants.bounds
tools.mutants.bounds.bound()
sys.exit(pytest.main(sys.argv[1:]))
"""
_OK, _NO_TESTS = 0, 5  # of pytest
_later_s = itertools.count(2_000_000_000)  # a new time for each text, or old bytecode would serve


class End(enum.Enum):
    """What became of a change."""

    FOUND = "found"
    HUNG = "found, did not end"
    SURVIVED = "survived"
    NOT_RUN = "survived, no test runs it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A change to a module; `module` is relative to the tree."""

    module: Path
    change: Change


class RoomFails(Exception):
    """The tests of a room fail before anything was changed."""


class Copy:
    """A copy of what is or would be committed, and what its tests run."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        *,
        is_quick: bool = False,
        names: Sequence[str] | None = None,
        tools: Path | None = None,
    ) -> None:
        """is_quick: what passes the tests that run it has survived; the room is not asked.

        names: the files to copy; None: those that git knows or would add.
        tools: where this package is found; None: in the copy.
        """
        self.least_s = LEAST_S
        self._root, self._temporary = folder / "tree", folder / "tmp"
        self._is_quick = is_quick
        self._path = os.pathsep.join(map(str, [self._root, tools or self._root]))
        self._rooms: dict[tuple[Path, ...], _Room] = {}
        for name in _files(root) if names is None else names:
            if (root / name).is_file():
                (self._root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self._root / name)

    def close(self) -> None:
        """Ends the processes."""
        for room in self._rooms.values():
            room.close()
        self._rooms.clear()

    def end_of(self, sample: Sample) -> End:
        """Whether a test finds the change.  Raises: RoomFails."""
        room = self._room(sample.module)
        path, change = self._root / sample.module, sample.change
        chosen = room.tests_of(path, change)
        source = path.read_text("utf-8")
        self._write(path, changed(source, change.number))  # for processes that tests start
        try:
            end = self._shown(room, path, source, change, chosen)
            is_hidden = bool(chosen) or room.starts_processes
            if end is End.SURVIVED and is_hidden and not self._is_quick:
                end = self._shown(room, path, source, change, room.tests)
        finally:
            self._write(path, source)
        return End.NOT_RUN if end is End.SURVIVED and not chosen else end

    def _shown(
        self, room: _Room, path: Path, source: str, change: Change, tests: dict[str, float]
    ) -> End:
        if not tests:
            return End.SURVIVED
        most_s = self.least_s + _TIMES * sum(tests.values())
        if change.is_at_import:
            status = self._run_anew(tests, most_s=most_s)
        else:
            status = room.run(path, source, change.number, only=tests, most_s=most_s)["status"]
        if status is None:
            return End.HUNG
        return End.SURVIVED if status in (_OK, _NO_TESTS) else End.FOUND

    def _run_anew(self, tests: dict[str, float], *, most_s: float) -> int | None:
        """Whole files, by a process that imports everything; its status, None: it did not end."""
        files = sorted({test.partition("::")[0] for test in tests})
        run = subprocess.Popen(
            [sys.executable, "-c", _ALONE, *_OPTIONS, f"--basetemp={self._temporary}", *files],
            cwd=self._root,
            env={**os.environ, "PYTHONPATH": self._path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return run.wait(most_s)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, 9)
            run.wait()
            return None

    def _room(self, module: Path) -> _Room:
        """Raises: RoomFails."""
        tests = sorted(witnesses(self._root, module))
        place = room_of(self._root, module)
        key = (place, *tests)
        if key not in self._rooms:
            self.close()  # one at a time: samples come sorted
            options = [*_OPTIONS, f"--basetemp={self._temporary}"]
            modules = modules_of(self._root, (str(place),))
            watched = [self._root / path for path in modules]
            room = _Room(self._root, options, tests, path=self._path)
            self._rooms[key] = room
            room.watch(watched, name=str(place))
        return self._rooms[key]

    def _write(self, path: Path, source: str) -> None:
        path.write_text(source, "utf-8")
        moment_s = next(_later_s)
        os.utime(path, (moment_s, moment_s))


class _Room:
    """The process that holds a room's tests, and what they run."""

    def __init__(
        self, root: Path, options: Sequence[str], tests: Iterable[Path], *, path: str
    ) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.mutants.session", *options, *map(str, tests)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self._seen: dict[str, Any] = {}

    @property
    def tests(self) -> dict[str, float]:
        """Node ids, and how long each took."""
        return {test: facts["spent_s"] for test, facts in self._seen.items()}

    @property
    def starts_processes(self) -> bool:
        return any(facts["starts"] for facts in self._seen.values())

    def watch(self, files: Iterable[Path], *, name: str) -> None:
        """Raises: RoomFails."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._said.seek(0)
            raise RoomFails(f"{name}: its tests cannot be collected\n{self._said.read()}")
        answer = self._ask(watch=list(map(str, files)), most_s=MOST_ROOM_S)
        if answer["status"] != 0:
            raise RoomFails(f"{name}\n{answer['said']}")
        self._seen = answer["seen"]

    def tests_of(self, path: Path, change: Change) -> dict[str, float]:
        """The tests that run the statement, and how long each takes.

        What is computed at import belongs to every test that runs anything of the module, or,
        where none does (a module that is a table), to all.
        """
        own = set(range(change.first_line, change.last_line + 1))
        found = {
            test: facts["spent_s"]
            for test, facts in self._seen.items()
            if (lines := facts["lines"].get(str(path)))
            and (change.is_at_import or not own.isdisjoint(lines))
        }
        return self.tests if change.is_at_import and not found else found

    def run(
        self, path: Path, source: str, number: int, *, only: dict[str, float], most_s: float
    ) -> dict[str, Any]:
        """source: as it was; number: of the change.  See `session` for the answer."""
        return self._ask(path=path, source=source, number=number, only=only, most_s=most_s)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _ask(
        self,
        *,
        most_s: float,
        path: Path | None = None,
        source: str = "",
        number: int | None = None,
        only: dict[str, float] | None = None,
        watch: list[str] | None = None,
    ) -> dict[str, Any]:
        order = {
            "module": str(path),
            "source": source,
            "number": number,
            "only": only,
            "watch": watch or [],
            "most_s": most_s,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RoomFails(f"the process that held its tests ended: {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _files(root: Path) -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [name for name in listing.stdout.decode().split("\0") if name]
