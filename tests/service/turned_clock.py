"""A whole service whose machine's clock is set while it runs, by libfaketime.

The monotonic clock goes on as it does; the service's processes read the file
that says what the other one shows, each time that they look at it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mailserver.demo.academy import DemoService
from mailserver.supervisor.interpreter import python_command, python_environment

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
WITHIN_S = 60.0


class TurnedService:
    """`mailserver run`, with a clock that `turn` sets, in seconds ahead of the machine's."""

    def __init__(self, demo: DemoService, *, ahead_s: int = 0) -> None:
        self._demo = demo
        self._setting = demo.folder / "clock"
        self.turn(ahead_s)
        self._log = (demo.folder / "log").open("ab")
        self._process = subprocess.Popen(
            self._command("run"), env=self._environment(), stdout=self._log, stderr=self._log
        )

    def turn(self, ahead_s: int) -> None:
        draft = self._setting.with_suffix(".new")
        draft.write_text(f"{ahead_s:+d}\n", "ascii")
        os.replace(draft, self._setting)

    def ask(self, *words: str) -> str:
        """What a command of the service prints, under the same clock."""
        done = subprocess.run(
            self._command(*words),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return done.stdout + done.stderr

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + WITHIN_S
        while not is_so():
            assert time.monotonic() < end_s, f"not within {WITHIN_S:g} s: {what}"
            assert self._process.poll() is None, "the service has ended"
            time.sleep(0.2)

    def until_up(self) -> None:
        log = self._demo.folder / "log"
        self.until(lambda: b'"event": "ready"' in log.read_bytes(), "up")

    def stop(self) -> int:
        self._process.terminate()
        try:
            return self._process.wait(timeout=WITHIN_S)
        finally:
            self._log.close()

    def _command(self, *words: str) -> list[str]:
        config = ["--config", str(self._demo.settings_file)]
        return python_command("mailserver.cli.main", *words, *config)

    def _environment(self) -> dict[str, str]:
        return python_environment() | {
            "LD_PRELOAD": str(_LIBRARIES[-1]),
            "FAKETIME_TIMESTAMP_FILE": str(self._setting),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
