"""The supervisor's own log lines: those of every process, without the library that calls them."""

from __future__ import annotations

import sys
from typing import TextIO

from mailserver.telemetry.lines import LogFormat, choose_render
from mailserver.telemetry.stream import LogStream

LEVELS = ("debug", "info", "warning", "error")


class Events:
    """One event per line on standard output: JSON, or for eyes on a terminal."""

    def __init__(self, *, level: str, log_format: LogFormat, stream: TextIO | None = None) -> None:
        out = stream or sys.stdout
        self._least = LEVELS.index(level)
        self._render = choose_render(log_format, out, {"room": "supervisor"})
        self._out = LogStream(out)  # the terminal or the pipe may be gone; the mail goes on

    def debug(self, event: str, **facts: object) -> None:
        self._write("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        if LEVELS.index(level) >= self._least:
            self._out.write(self._render(level, {**facts, "event": event}) + "\n")
