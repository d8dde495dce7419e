"""Tests of a room, collected once, run many times: `python -m tools.mutants.session FILE...`

The arguments are pytest's.  Orders come on stdin, answers go to stdout, a JSON object a
line; each run is a fork of what was collected, so that none sees what another left:

    {"module": path, "source": "...", "number": 7 | null, "only": {node id: s} | null,
     "watch": [path], "most_s": 60.0}
    {"status": 0 | null, "said": "...", "seen": {...}}

source: of the module as it was.  number: of the change that its functions get, in memory;
null: they stay as they are.
status: 0, 1 where a test failed; null: it did not end in time.  said: the end of its output.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TextIO

import pytest

from tools.mutants.bounds import adopt, bound, end_with_parent
from tools.mutants.changes import changed_tree
from tools.mutants.watch import Watch

_SAID_OCTETS = 4000
_FAULT = 70


def main() -> int:
    """Until stdin ends.  Exit status: of pytest, where nothing could be collected."""
    end_with_parent()
    adopt()
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # -s: with fd 1 in the hands of pytest, nobody could read what a run says.
    return int(pytest.main(["-s", *sys.argv[1:]], plugins=[_Room(orders, answers)]))


class _Room:
    """A plugin that takes the place of the loop over the tests."""

    def __init__(self, orders: TextIO, answers: TextIO) -> None:
        self._orders, self._answers = orders, answers
        self._functions: dict[str, list[FunctionType]] = defaultdict(list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("a file of tests cannot be read")
        for thing in gc.get_objects():
            if isinstance(thing, FunctionType):
                self._functions[thing.__code__.co_filename].append(thing)
        print("ready", file=self._answers, flush=True)
        for line in self._orders:
            answer = self._answer(session, json.loads(line))
            print(json.dumps(answer), file=self._answers, flush=True)
        return True

    def _answer(self, session: pytest.Session, order: dict[str, Any]) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile() as said, tempfile.NamedTemporaryFile() as seen:
            child = os.fork()
            if not child:
                self._run(session, order, said.fileno(), Path(seen.name))
            status = _wait(child, most_s=order["most_s"])
            text = Path(seen.name).read_text("utf-8")
            end = Path(said.name).read_bytes()[-_SAID_OCTETS:].decode(errors="replace")
        return {"status": status, "said": end, "seen": json.loads(text or "{}")}

    def _run(self, session: pytest.Session, order: dict[str, Any], said: int, seen: Path) -> None:
        """In the child; does not return."""
        status = _FAULT
        try:
            os.setsid()
            bound()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(said, 1)
            os.dup2(said, 2)
            if order["number"] is not None:
                self._change(order["module"], order["source"], order["number"])
            watch = Watch(order["watch"]) if order["watch"] else None
            if watch is not None:
                session.config.pluginmanager.register(watch)
            status = _run_items(session, order["only"])
            if watch is not None:
                watch.write(seen)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _change(self, file: str, source: str, number: int) -> None:
        """Every function of the module that is there gets its code with the change in it."""
        tree = changed_tree(source, number)
        codes = {
            (code.co_qualname, code.co_firstlineno): code
            for code in _codes_in(compile(tree, file, "exec", dont_inherit=True))
        }
        for function in self._functions[file]:
            old = function.__code__
            new = codes.get((old.co_qualname, old.co_firstlineno))
            if new is not None and new != old:
                function.__code__ = new


def _run_items(session: pytest.Session, only: dict[str, float] | None) -> int:
    """0, or 1 at the first test that fails."""
    items = session.items
    if only is not None:
        items = _in_order([item for item in items if item.nodeid in only], only)
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            break
    session.config.hook.pytest_sessionfinish(session=session, exitstatus=session.testsfailed)
    return int(bool(session.testsfailed))


def _in_order(items: list[pytest.Item], spent_s: dict[str, float]) -> list[pytest.Item]:
    """The file that takes least comes first."""
    of_file: dict[Path, float] = defaultdict(float)
    for item in items:
        of_file[item.path] += spent_s[item.nodeid]
    return sorted(items, key=lambda item: (of_file[item.path], str(item.path)))


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _wait(child: int, *, most_s: float) -> int | None:
    """Its status; None: it was ended.  Whatever it had started is ended, too."""
    handle = os.pidfd_open(child)
    try:
        has_ended = bool(select.select([handle], [], [], most_s)[0])
    finally:
        os.close(handle)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    while left := Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split():
        for orphan in map(int, left):
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)
    return status if has_ended else None


if __name__ == "__main__":
    sys.exit(main())
