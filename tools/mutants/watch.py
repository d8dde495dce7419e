"""A plugin of pytest that notes which test runs which lines.

A test that starts a process runs lines that are not seen here; it is named, so that
nobody takes a line of its module for one that no test runs.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

_STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen"}


class Watch:
    """Lines of some files by test.

    What a fixture runs counts for every test of the file: it may be made once for all.
    """

    def __init__(self, files: list[str]) -> None:
        """files: absolute, as their code names them."""
        self._files = frozenset(files)
        self._lines: dict[str, set[int]] = {}
        self._by_test: dict[str, dict[str, set[int]]] = {}
        self._by_fixtures: dict[str, dict[str, set[int]]] = defaultdict(dict)
        self._spent_s: dict[str, float] = {}
        self._starters: set[str] = set()
        self._test = ""
        sys.addaudithook(self._hear)

    def write(self, path: Path) -> None:
        """What was seen: {test: {"lines": {file: [...]}, "spent_s": 0.1, "starts": false}}."""
        seen = {}
        for test, own in self._by_test.items():
            fixtures = self._by_fixtures[test.partition("::")[0]]
            names = own.keys() | fixtures.keys()
            seen[test] = {
                "lines": {
                    name: sorted(own.get(name, set()) | fixtures.get(name, set())) for name in names
                },
                "spent_s": self._spent_s[test],
                "starts": test in self._starters,
            }
        path.write_text(json.dumps(seen), "utf-8")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test = item.nodeid
        self._lines = self._by_test.setdefault(item.nodeid, {})
        begun_s = time.monotonic()
        sys.settrace(self._enter)
        threading.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self._spent_s[item.nodeid] = time.monotonic() - begun_s

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        own, self._lines = self._lines, self._by_fixtures[item.nodeid.partition("::")[0]]
        try:
            return (yield)
        finally:
            self._lines = own

    def _hear(self, event: str, _arguments: Any) -> None:
        if event in _STARTS:
            self._starters.add(self._test)

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name not in self._files:
            return None
        self._lines.setdefault(name, set()).add(frame.f_lineno)
        return self._step

    def _step(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        self._lines.setdefault(frame.f_code.co_filename, set()).add(frame.f_lineno)
        return self._step
